/* SPDX-License-Identifier: MIT */
/* look - what an answer to Look shows: as a page for a person, as a PNG. */
#pragma once

#include <jansson.h>

#include "client/image.h"
#include "client/render.h"

/** Whether all is there that @look will ever show of a sensor that runs. */
bool look_is_whole(const json_t *look);

/** Whether @look shows anything the sensor delivered. */
bool look_has_data(const json_t *look);

/** The page: state, picture or level, what each network got, scores. Returns 0, -EBADMSG, -ENOMEM.
 */
int look_write(const struct screen *screen, const json_t *look);

/** The camera's picture and what each network got beside each other, or the spectra, enlarged.
 * Returns 0, -EBADMSG, -ENODATA (there is nothing to show), -ENOMEM. */
int look_image(const json_t *look, struct image **ret);

/** "-23 dB [######......]", of @columns in all; for `setup` too. */
void look_level_bar(const struct screen *screen, const json_t *level, size_t columns);
