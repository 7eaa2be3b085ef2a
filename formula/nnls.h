/* SPDX-License-Identifier: BSD-3-Clause */
/* Non-negative least squares from normal equations: the arithmetic alone. */
#pragma once

#include <stddef.h>

/* Minimises x'Ax/2 - b'x over x >= 0 by cyclic coordinate descent. a: symmetric, positive semidefinite, row-major, n rows of n.
 * x: where to start (values below 0 or not finite start at 0), and the result: finite and >= 0 always. An unknown whose diagonal is not
 * positive, or that stops being finite, is 0. Stops after max_sweeps, or when no step moves the solution by more than tolerance of its largest
 * term. Deterministic: the same input gives the same bits. Returns the sweeps made. */
unsigned nnls_solve(size_t n, const double *a, const double *b, double *x, unsigned max_sweeps, double tolerance);
