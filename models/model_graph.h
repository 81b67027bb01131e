/* SPDX-License-Identifier: MIT */
/* model_graph - the inside of a model, for the runner and for `lookout-model show`. */
#pragma once

#include "models/graph.h"
#include "models/model.h"

/** The plan; valid as long as @model. */
const struct graph *model_graph(const struct model *model);
