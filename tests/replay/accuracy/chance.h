/* SPDX-License-Identifier: BSD-3-Clause */
/* Seeded chance, the same on every machine: splitmix64, and numbers made from it with additions and multiplications alone. */
#pragma once

#include <stdint.h>

struct chance {
    uint64_t state; /* the seed */
};

static inline uint64_t chance_bits(struct chance *chance)
{
    uint64_t z = chance->state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* In [low, high). */
static inline double chance_between(struct chance *chance, double low, double high)
{
    return low + (high - low) * ((double)(chance_bits(chance) >> 11) * 0x1p-53);
}

static inline int chance_is(struct chance *chance, double probability)
{
    return chance_between(chance, 0, 1) < probability;
}

/* 0 to n - 1. */
static inline unsigned chance_below(struct chance *chance, unsigned n)
{
    return (unsigned)chance_between(chance, 0, n);
}

/* Near enough to normal: mean 0, deviation 1, never beyond 6. */
static inline double chance_normal(struct chance *chance)
{
    double sum = -6;
    for (int i = 0; i < 12; i++)
        sum += chance_between(chance, 0, 1);
    return sum;
}
