/* SPDX-License-Identifier: BSD-3-Clause */
/* Row by row, so that every step is a dot product of two rows. The dot product keeps four sums of
 * its own, because a compiler may not reorder one, and one alone waits for itself. */
#include "formula/cholesky.h"

#include <math.h>

#define RIDGE_MIN 1e-12
#define RIDGE_MAX 1e-3

static double dot(const double *a, const double *b, size_t n)
{
    double s0 = 0, s1 = 0, s2 = 0, s3 = 0;
    size_t i = 0;
    for (; i + 4 <= n; i += 4) {
        s0 += a[i] * b[i];
        s1 += a[i + 1] * b[i + 1];
        s2 += a[i + 2] * b[i + 2];
        s3 += a[i + 3] * b[i + 3];
    }
    for (; i < n; i++)
        s0 += a[i] * b[i];
    return (s0 + s1) + (s2 + s3);
}

static bool factor(size_t n, size_t stride, const double *a, double *l, double ridge)
{
    for (size_t i = 0; i < n; i++) {
        double *row = l + i * stride;
        for (size_t j = 0; j < i; j++)
            row[j] = (a[i * stride + j] - dot(row, l + j * stride, j)) / l[j * stride + j];
        double diagonal = a[i * stride + i] * (1 + ridge);
        double rest = diagonal - dot(row, row, i);
        if (!isfinite(rest) || !(rest > diagonal * 1e-15))
            return false;
        row[i] = sqrt(rest);
    }
    return true;
}

bool cholesky_factor(size_t n, size_t stride, const double *a, double *l)
{
    if (factor(n, stride, a, l, 0))
        return true;
    for (double ridge = RIDGE_MIN; ridge <= RIDGE_MAX; ridge *= 10)
        if (factor(n, stride, a, l, ridge))
            return true;
    return false;
}

void cholesky_forward(size_t n, size_t stride, const double *l, size_t first, double *b)
{
    for (size_t i = first; i < n; i++)
        b[i] = (b[i] - dot(l + i * stride + first, b + first, i - first)) / l[i * stride + i];
}

void cholesky_backward(size_t n, size_t stride, const double *l, size_t n_fixed, double *y)
{
    for (size_t i = n; i-- > 0;) {
        if (i < n_fixed)
            y[i] /= l[i * stride + i];
        for (size_t j = 0; j < i && j < n_fixed; j++)
            y[j] -= l[i * stride + j] * y[i];
    }
}
