/* SPDX-License-Identifier: MIT */
/* float32 in vectors of 4: SSE2 on x86-64, NEON on aarch64. */
#define F32_LANES 4
#define F32_TABLE f32_c

#if defined(__aarch64__)
#include <arm_neon.h>
#define F32_ROWS                    8
#define F32_FMA(a, b, c)            vfmaq_f32(c, a, b)
#define F32_FMA_LANE(a, lane, b, c) vfmaq_laneq_f32(c, b, a, lane)
#define F32_WHOLE(a)                __asm__("" : "+w"(a)) /* else gcc loads lanes one by one */
#else
#define F32_ROWS         6
#define F32_FMA(a, b, c) ((a) * (b) + (c))
#endif

#include "models/kernels/f32_tmpl.c"
