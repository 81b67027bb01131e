/* SPDX-License-Identifier: MIT */
/* float32 in vectors of 8 with AVX2 and FMA. */
#if !defined(__AVX2__) || !defined(__FMA__)
#error "build this file with -mavx2 -mfma"
#endif

#include <immintrin.h>

#define F32_LANES        8
#define F32_ROWS         6
#define F32_TABLE        f32_avx2
#define F32_FMA(a, b, c) _mm256_fmadd_ps(a, b, c)

#include "models/kernels/f32_tmpl.c"
