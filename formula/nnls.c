/* SPDX-License-Identifier: BSD-3-Clause */
/* Coordinate descent needs no factorisation and cannot leave the feasible set, so that collinear
 * events (cycles and reference cycles at a fixed clock) end in some non-negative split instead of a
 * breakdown. Steps are judged in the matrix's own norm, because unknowns may have very different
 * scales. */
#include "formula/nnls.h"

#include <math.h>

/* One sweep over all unknowns; returns the largest step, and the largest term in ret_largest. */
static double sweep(size_t n, const double *a, const double *b, double *x, double *ret_largest)
{
    double largest_step = 0, largest = 0;
    for (size_t i = 0; i < n; i++) {
        const double *row = a + i * n;
        double next = 0;
        if (row[i] > 0) {
            double rest = b[i];
            for (size_t j = 0; j < n; j++)
                if (j != i)
                    rest -= row[j] * x[j];
            next = rest / row[i];
            if (!isfinite(next) || next < 0)
                next = 0;
        }
        double weight = row[i] > 0 ? sqrt(row[i]) : 0;
        largest_step = fmax(largest_step, fabs(next - x[i]) * weight);
        largest = fmax(largest, next * weight);
        x[i] = next;
    }
    *ret_largest = largest;
    return largest_step;
}

unsigned nnls_solve(size_t n, const double *a, const double *b, double *x, unsigned max_sweeps,
                    double tolerance)
{
    for (size_t i = 0; i < n; i++)
        if (!isfinite(x[i]) || x[i] < 0)
            x[i] = 0;
    for (unsigned n_sweeps = 1; n_sweeps <= max_sweeps; n_sweeps++) {
        double largest;
        double step = sweep(n, a, b, x, &largest);
        if (!(step > tolerance * largest))
            return n_sweeps;
    }
    return max_sweeps;
}
