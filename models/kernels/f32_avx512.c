/* SPDX-License-Identifier: MIT */
/* float32 in vectors of 16 with AVX-512; fewer channels in vectors of 8. */
#if !defined(__AVX512F__)
#error "build this file with -mavx512f"
#endif

#include <immintrin.h>

#define F32_LANES        16
#define F32_ROWS         8
#define F32_TABLE        f32_avx512
#define F32_NARROW       f32_avx2
#define F32_FMA(a, b, c) _mm512_fmadd_ps(a, b, c)

#include "models/kernels/f32_tmpl.c"
