/* SPDX-License-Identifier: MIT */
/* The row for any aarch64, such as Cortex-A53 and A72. */
#include "models/kernels/neon.h"

const struct kernels kernels_neon = {
    .name = "neon",
    .needs = CPU_NEON,
    .patch_rows = 4,
    .gemm_s8 = &neon_gemm_s8,
    .gemm_s4 = &neon_gemm_s4,
    .conv_s8 = &neon_conv_s8,
    .conv_s4 = &neon_conv_s4,
    .depthwise_s8 = &neon_depthwise_s8,
    .depthwise_s4 = &neon_depthwise_s4,
    .average_pool_s8 = neon_average_pool_s8,
    .max_pool_s8 = neon_max_pool_s8,
    .add_s8 = neon_add_s8,
    .f32 = &f32_neon,
};
