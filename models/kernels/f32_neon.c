/* SPDX-License-Identifier: MIT */
/* float32 in vectors of 4 with NEON, whose products take one factor from a lane. */
#ifndef __aarch64__
#error "build this file for aarch64"
#endif

#include <arm_neon.h>

#define F32_LANES                   4
#define F32_ROWS                    8
#define F32_TABLE                   f32_neon
#define F32_FMA(a, b, c)            vfmaq_f32(c, a, b)
#define F32_FMA_LANE(a, lane, b, c) vfmaq_laneq_f32(c, b, a, lane)
#define F32_WHOLE(a)                __asm__("" : "+w"(a)) /* else gcc loads lanes one by one */

#include "models/kernels/f32_tmpl.c"
