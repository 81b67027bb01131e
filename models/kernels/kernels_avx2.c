/* SPDX-License-Identifier: MIT */
/* The row for x86-64 with AVX2. */
#include "models/kernels/avx2.h"

const struct kernels kernels_avx2 = {
    .name = "avx2",
    .needs = CPU_AVX2,
    .float_requant = true,
    .patch_rows = 16,
    .gemm_s8 = &avx2_gemm_s8,
    .gemm_s4 = &avx2_gemm_s4,
    .conv_s8 = &avx2_conv_s8,
    .conv_s4 = &avx2_conv_s4,
    .depthwise_s8 = &avx2_depthwise_s8,
    .depthwise_s4 = &avx2_depthwise_s4,
    .average_pool_s8 = avx2_average_pool_s8,
    .max_pool_s8 = avx2_max_pool_s8,
    .add_s8 = avx2_add_s8,
    .f32 = &f32_avx2,
};
