/* SPDX-License-Identifier: MIT */
/* The row for aarch64 with dot products, such as Cortex-A76. */
#include "models/kernels/dotprod.h"

const struct kernels kernels_dotprod = {
    .name = "dotprod",
    .needs = CPU_NEON | CPU_DOTPROD,
    .patch_rows = 4,
    .gemm_s8 = &dotprod_gemm_s8,
    .gemm_s4 = &dotprod_gemm_s4,
    .conv_s8 = &dotprod_conv_s8,
    .conv_s4 = &dotprod_conv_s4,
    .depthwise_s8 = &neon_depthwise_s8,
    .depthwise_s4 = &neon_depthwise_s4,
    .average_pool_s8 = neon_average_pool_s8,
    .max_pool_s8 = neon_max_pool_s8,
    .add_s8 = neon_add_s8,
    .f32 = &f32_neon,
};
