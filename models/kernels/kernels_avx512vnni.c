/* SPDX-License-Identifier: MIT */
/* The row for x86-64 with AVX-512 and VNNI: Ice Lake, Zen 4 and what came after. */
#include "models/kernels/avx512vnni.h"

const struct kernels kernels_avx512vnni = {
    .name = "avx512vnni",
    .needs = CPU_AVX2 | CPU_AVX512VNNI,
    .patch_rows = 16,
    .gemm_s8 = &vnni_gemm_s8,
    .gemm_s4 = &vnni_gemm_s4,
    .conv_s8 = &vnni_conv_s8,
    .conv_s4 = &vnni_conv_s4,
    .depthwise_s8 = &vnni_depthwise_s8,
    .depthwise_s4 = &vnni_depthwise_s4,
    .average_pool_s8 = avx2_average_pool_s8,
    .max_pool_s8 = avx2_max_pool_s8,
    .add_s8 = vnni_add_s8,
    .float_requant = true,
    .f32 = &f32_avx512,
};
