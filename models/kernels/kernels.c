/* SPDX-License-Identifier: MIT */
/* Which row of inner loops runs on this CPU. Chosen once, by model_open(). */
#include "models/kernels/kernels.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#if defined(__aarch64__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

/* Fastest first: the first row whose needs are met wins. */
static const struct kernels *const rows[] = {
#if defined(HAVE_AVX512VNNI)
    &kernels_avx512vnni,
#endif
#if defined(HAVE_AVX2)
    &kernels_avx2,
#endif
#if defined(HAVE_DOTPROD)
    &kernels_dotprod,
#endif
#if defined(HAVE_NEON)
    &kernels_neon,
#endif
    &kernels_c,
};

enum { N_ROWS = sizeof(rows) / sizeof(*rows), LIST_BYTES = 128 };

unsigned cpu_features(void) {
    unsigned features = 0;

#if defined(__aarch64__)
    const unsigned long hwcap = getauxval(AT_HWCAP);

    if (hwcap & HWCAP_ASIMD)
        features |= CPU_NEON;
    if (hwcap & HWCAP_ASIMDDP)
        features |= CPU_DOTPROD;
#elif defined(__x86_64__)
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        features |= CPU_AVX2;
    if (__builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
        features |= CPU_AVX512VNNI;
#endif
    return features;
}

const struct kernels *kernels_row(size_t i) {
    return i < N_ROWS ? rows[i] : NULL;
}

static bool usable(const struct kernels *row) {
    return (row->needs & ~cpu_features()) == 0;
}

/* "avx2, c": the rows this CPU can run. */
static const char *list_rows(char list[LIST_BYTES]) {
    size_t n = 0;

    list[0] = '\0';
    for (size_t i = 0; i < N_ROWS; i++) {
        const size_t room = LIST_BYTES - n;

        if (usable(rows[i]) && strlen(rows[i]->name) + 3 < room)
            n += (size_t) snprintf(list + n, room, "%s%s", n ? ", " : "", rows[i]->name);
    }
    return list;
}

int kernels_choose(const char *name, const struct kernels **ret, struct fault *fault) {
    char list[LIST_BYTES];

    if (!name || !*name)
        name = getenv("LOOKOUT_KERNELS");
    for (size_t i = 0; i < N_ROWS; i++)
        if (usable(rows[i]) && (!name || !*name || strcmp(rows[i]->name, name) == 0)) {
            *ret = rows[i];
            return 0;
        }
    return fault_set(fault, -ENOTSUP, "there are no kernels '%s' for this CPU; there are: %s", name,
                     list_rows(list));
}
