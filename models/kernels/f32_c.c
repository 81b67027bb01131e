/* SPDX-License-Identifier: MIT */
/* float32 in vectors of 4: SSE2 on x86-64, NEON on aarch64. */
#define F32_LANES 4
#define F32_ROWS  6
#define F32_TABLE f32_c

#include "models/kernels/f32_tmpl.c"
