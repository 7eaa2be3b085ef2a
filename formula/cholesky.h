/* SPDX-License-Identifier: BSD-3-Clause */
/* Cholesky factors of small dense systems: the arithmetic alone. Sums run in a fixed order, so the same input gives the same bits. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* Factors a (symmetric, row-major, n rows of stride; only the lower triangle is read) into l (same shape; the upper triangle is left alone): a = l l'.
 * Where a is not positive definite, its diagonal is raised by 1e-12 of itself, then by ever more; false if even 1e-3 does not help or something is not finite. */
bool cholesky_factor(size_t n, size_t stride, const double *a, double *l);

/* Solves l y = b in place, from row first on (b is 0 before it). */
void cholesky_forward(size_t n, size_t stride, const double *l, size_t first, double *b);
/* Solves l' x = y in place for rows n-1 down to 0; rows from n_fixed on are given already (n_fixed = n: none is). */
void cholesky_backward(size_t n, size_t stride, const double *l, size_t n_fixed, double *y);
