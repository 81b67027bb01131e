/* SPDX-License-Identifier: MIT */
/* float32 in vectors of 4, which SSE2 and NEON have. */
#define F32_LANES        4
#define F32_ROWS         6
#define F32_TABLE        f32_c
#define F32_FMA(a, b, c) ((a) * (b) + (c))

#include "models/kernels/f32_tmpl.c"
