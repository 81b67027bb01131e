/* SPDX-License-Identifier: MIT */
/*
 * dotprod - what the files of the row with SDOT share.
 *
 * SDOT adds four products of int8 to an int32, for four columns at once. So weights lie in fours
 * along the depth, for 4 columns (a vector of sums), and the vectors of 16 columns side by side:
 *   int8  [cols / 16][depth / 4][4][4 columns][4]
 * with zeros behind the depth, and as many vectors as there are columns for in the last block.
 */
#pragma once

#include "models/kernels/neon.h"

#ifndef __ARM_FEATURE_DOTPROD
#error "build this file with -march=armv8.2-a+dotprod"
#endif

enum { FOUR = 4 }; /* products in one lane of SDOT */

extern const struct gemm_kernel dotprod_gemm_s8, dotprod_gemm_s4;
extern const struct conv_kernel dotprod_conv_s8, dotprod_conv_s4;
extern const struct depthwise_kernel dotprod_depthwise_s8, dotprod_depthwise_s4;

/** Bytes of weights of @cols columns with @n_runs runs of @run bytes. */
size_t dotprod_packed_bytes(size_t cols, size_t n_runs, size_t run, bool int4);

/** Fill zeroed @packed from @weight [cols, n_runs, run]. */
void dotprod_pack(void *packed, const int8_t *weight, size_t cols, size_t n_runs, size_t run,
                  bool int4);

/** @rows rows of output; weights of int8 or int4 as dotprod_pack() lays them. */
product_fn dotprod_product_s8, dotprod_product_s4;
