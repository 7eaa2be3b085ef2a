/* SPDX-License-Identifier: BSD-3-Clause */
/* Deviations stand before the pooled prices, so that a Cholesky factor ends in the Schur complement
 * of the prices: the bounds hold for those alone, and are met by a small non-negative solution of
 * that complement with no second factorisation. A kind that loses its slot leaves its part of the
 * past behind as if its deviation had been what it was last thought to be. Noise that the next tick
 * returns (noise.h) is left out by learning from each tick plus the part of the last one that comes
 * back. How large noise is, the misses say; the priors count against that. */
#include "formula/mixed.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "formula/cholesky.h"
#include "formula/nnls.h"
#include "formula/state_io.h"

#define N MIXED_UNKNOWNS
#define NOISE_SHARE 0.01
#define NOISE_W 0.3
#define IDLE_GUESS 0.5   /* of the first tick's watts, where no floor is known */
#define FLOOR_DOUBT 0.05 /* relative doubt of a known floor */
#define PRIOR_DOUBT 0.5  /* of the prior, relative to the first tick's watts */
#define COMMON_WIDTH 0.3 /* of a target's deviation common to its prices, relative */
#define OWN_WIDTH 0.4    /* and of each price alone */
#define WIDTH_FLOOR 0.1  /* of all watts: a price of nearly 0 may deviate too */
#define PRICE_FLOOR 0.15 /* of the pooled price */
#define COST_DECAY 0.99
#define ADMIT_TIMES 1.5 /* a newcomer must cost so much more than the cheapest */
#define MISS_DECAY 0.995
#define NOISE_AFTER 10 /* ticks, whose misses say only how little was known */
#define MEAN_DECAY 0.98
#define SWEEPS_MAX 400
#define TOLERANCE 1e-10

void mixed_init(struct mixed *mixed, enum domain domain, size_t n_slots, double forgetting)
{
    memset(mixed, 0, sizeof(*mixed));
    mixed->domain = domain;
    mixed->n_slots = n_slots < MIXED_SLOTS_MAX ? n_slots : MIXED_SLOTS_MAX;
    mixed->forgetting = forgetting;
    noise_init(&mixed->noise);
}

/* ---- slots ---- */

size_t mixed_find(const struct mixed *mixed, uint64_t kin)
{
    for (size_t s = 0; s < mixed->n_slots; s++)
        if (mixed->slots[s].kin == kin)
            return s;
    return MIXED_NO_SLOT;
}

bool mixed_is_full(const struct mixed *mixed)
{
    return mixed_find(mixed, 0) == MIXED_NO_SLOT;
}

static void evict(struct mixed *mixed, size_t slot)
{
    size_t first = slot * MIXED_OWN;
    for (size_t i = 0; i < N; i++)
        for (size_t k = first; k < first + MIXED_OWN; k++)
            mixed->b[i] -= (i < k ? mixed->a[k * N + i] : mixed->a[i * N + k]) * mixed->theta[k];
    for (size_t k = first; k < first + MIXED_OWN; k++) {
        mixed->carried_w -= mixed->carried_h[k] * mixed->theta[k];
        mixed->b[k] = mixed->theta[k] = mixed->carried_h[k] = 0;
        for (size_t i = 0; i < N; i++)
            mixed->a[i * N + k] = mixed->a[k * N + i] = 0;
    }
    mixed->slots[slot] = (struct mixed_slot){0};
    mixed->place[slot] = N;
}

size_t mixed_admit(struct mixed *mixed, uint64_t kin, double cost_w)
{
    size_t best = MIXED_NO_SLOT;
    for (size_t s = 0; s < mixed->n_slots; s++)
        if (best == MIXED_NO_SLOT || mixed->slots[s].cost_w < mixed->slots[best].cost_w)
            best = s;
    if (best == MIXED_NO_SLOT || !(cost_w > ADMIT_TIMES * mixed->slots[best].cost_w))
        return MIXED_NO_SLOT;
    if (mixed->slots[best].kin != 0)
        evict(mixed, best);
    mixed->slots[best].kin = kin;
    mixed->slots[best].cost_w = cost_w;
    mixed->place[best] = N;
    return best;
}

void mixed_begin(struct mixed *mixed)
{
    for (size_t s = 0; s < mixed->n_slots; s++)
        memset(mixed->slots[s].x, 0, sizeof(mixed->slots[s].x));
}

void mixed_add(struct mixed *mixed, size_t slot, const double *x)
{
    for (size_t f = 0; f < FEATURE_COUNT && slot < mixed->n_slots; f++)
        mixed->slots[slot].x[f] += x[f];
}

/* ---- watts ---- */

static double own_w(const struct mixed *mixed, size_t slot, const double *x)
{
    double watts = 0;
    for (size_t f = 0; f < MIXED_OWN; f++)
        watts += mixed->theta[slot * MIXED_OWN + f] * x[f];
    return watts;
}

static double pooled_w(const struct mixed *mixed, const double *x)
{
    double watts = 0;
    for (size_t f = 0; f < FEATURE_COUNT; f++)
        watts += mixed->theta[MIXED_POOLED + f] * x[f];
    return watts;
}

double mixed_price(const struct mixed *mixed, size_t slot, const double *x)
{
    double pooled = pooled_w(mixed, x);
    if (slot >= mixed->n_slots)
        return pooled;
    return fmax(pooled + own_w(mixed, slot, x), PRICE_FLOOR * pooled);
}

double mixed_explain(const struct mixed *mixed, const double *all_x)
{
    if (!mixed->is_primed)
        return NAN;
    double watts = mixed->theta[MIXED_IDLE] + pooled_w(mixed, all_x);
    for (size_t s = 0; s < mixed->n_slots; s++)
        if (mixed->slots[s].kin)
            watts += own_w(mixed, s, mixed->slots[s].x);
    return fmax(watts, 0);
}

/* Watts of a span are as many joules: what is returned weighs less in a longer one. */
static double returned_part(const struct mixed *mixed, double dt_s)
{
    double part = noise_returned(&mixed->noise) * mixed->carried_s / dt_s;
    return isfinite(part) ? fmin(part, 1) : 0;
}

double mixed_predict(const struct mixed *mixed, const double *all_x, double dt_s)
{
    double watts = mixed_explain(mixed, all_x), noise_w = mixed->carried_w;
    for (size_t i = 0; i < N; i++)
        noise_w -= mixed->carried_h[i] * mixed->theta[i];
    watts -= returned_part(mixed, dt_s) * noise_w;
    return watts < 0 ? 0 : watts; /* NAN stays */
}

/* ---- doubt ---- */

/* Variance of a deviation nobody has learned yet. */
static double unknown_variance(const struct mixed *mixed, const double *x)
{
    double common = 0, own = 0;
    for (size_t f = 0; f < MIXED_OWN; f++) {
        double watts = mixed->width[f] * x[f];
        common += watts;
        own += watts * watts;
    }
    return COMMON_WIDTH * COMMON_WIDTH * common * common + OWN_WIDTH * OWN_WIDTH * own;
}

double mixed_sigma(const struct mixed *mixed, size_t slot, const double *x)
{
    size_t n = mixed->n_factor;
    if (n == 0)
        return NAN;
    double h[N] = {0}, variance = 0;
    double noise = noise_variance(&mixed->noise);
    size_t first = n - MIXED_PRICES;
    memcpy(h + first, x, FEATURE_COUNT * sizeof(*x));
    if (slot < mixed->n_slots && mixed->place[slot] < n) {
        first = mixed->place[slot];
        memcpy(h + first, x, MIXED_OWN * sizeof(*x));
    } else {
        variance = unknown_variance(mixed, x);
    }
    cholesky_forward(n, N, mixed->factor, first, h);
    for (size_t i = first; i < n; i++)
        variance += noise * h[i] * h[i];
    return sqrt(variance);
}

/* Idle is the last unknown, so that its variance is the last pivot's inverse. */
double mixed_idle_sigma(const struct mixed *mixed)
{
    size_t n = mixed->n_factor;
    if (n == 0)
        return NAN;
    return sqrt(noise_variance(&mixed->noise)) / mixed->factor[(n - 1) * N + n - 1];
}

/* ---- learning ---- */

static void prime(struct mixed *mixed, const double *all_x, double measured_w, double floor_w)
{
    bool has_floor = !isnan(floor_w);
    double idle_w = has_floor ? fmin(floor_w, measured_w) : IDLE_GUESS * measured_w;
    double doubt_w = fmax(PRIOR_DOUBT * measured_w, NOISE_W);
    double idle_doubt_w = has_floor ? fmax(FLOOR_DOUBT * floor_w, 0.01) : doubt_w;
    static const double guess[FEATURE_COUNT] = {
        [FEATURE_WORK] = 0.75, [FEATURE_INSTRUCTIONS] = 0.25};
    static const double dram_guess[FEATURE_COUNT] = {
        [FEATURE_WORK] = 0.25, [FEATURE_MISSES] = 0.75};
    const double *part = mixed->domain == DOMAIN_DRAM ? dram_guess : guess;
    double parts = 0;
    for (size_t f = 0; f < FEATURE_COUNT; f++) {
        mixed->prior_weight[f] = 1 / (doubt_w * doubt_w);
        parts += all_x[f] > 0 ? part[f] : 0;
    }
    for (size_t f = 0; f < FEATURE_COUNT; f++)
        mixed->prior[f] =
            all_x[f] > 0 && parts > 0 ? part[f] / parts * (measured_w - idle_w) / all_x[f] : 0;
    mixed->prior[FEATURE_COUNT] = idle_w;
    mixed->prior_weight[FEATURE_COUNT] = 1 / (idle_doubt_w * idle_doubt_w);
    memcpy(mixed->theta + MIXED_POOLED, mixed->prior, sizeof(mixed->prior));
    memcpy(mixed->mean, all_x, sizeof(mixed->mean));
    mixed->is_primed = true;
}

/* weight: of the tick as such, 1 unless it is odd; an odd one is no ground for what follows. */
static void accumulate(struct mixed *mixed, const double *all_x, const struct mixed_tick *tick,
                       double noise_w2, double weight)
{
    double h[N] = {0};
    for (size_t s = 0; s < mixed->n_slots; s++)
        if (mixed->slots[s].kin)
            memcpy(h + s * MIXED_OWN, mixed->slots[s].x, MIXED_OWN * sizeof(*h));
    memcpy(h + MIXED_POOLED, all_x, FEATURE_COUNT * sizeof(*h));
    h[MIXED_IDLE] = 1;
    double part = returned_part(mixed, tick->dt_s), *carried = mixed->carried_h;
    for (size_t i = 0; i < N; i++)
        carried[i] = part * carried[i] + h[i];
    mixed->carried_w = part * mixed->carried_w + tick->measured_w;
    mixed->carried_s = tick->dt_s;
    for (size_t i = 0; i < N; i++) {
        double *row = mixed->a + i * N;
        double factor = weight / noise_w2 * carried[i];
        if (i < MIXED_POOLED && mixed->slots[i / MIXED_OWN].kin == 0)
            continue; /* all of it is 0 */
        for (size_t j = 0; j <= i; j++)
            row[j] = mixed->forgetting * row[j] + factor * carried[j];
        mixed->b[i] = mixed->forgetting * mixed->b[i] + factor * mixed->carried_w;
    }
    if (weight < 1)
        mixed_break(mixed);
}

/* Deviations are as wide as the prices they deviate from, in what the feature usually costs. */
static void set_widths(struct mixed *mixed)
{
    double total_w = 0;
    for (size_t f = 0; f < FEATURE_COUNT; f++)
        total_w += mixed->theta[MIXED_POOLED + f] * mixed->mean[f];
    for (size_t f = 0; f < MIXED_OWN; f++) {
        double floor = mixed->mean[f] > 0 ? WIDTH_FLOOR * total_w / mixed->mean[f] : 0;
        mixed->width[f] = fmax(mixed->theta[MIXED_POOLED + f], floor);
        if (!(mixed->width[f] > 1e-9))
            mixed->width[f] = 1e-9;
    }
}

void mixed_break(struct mixed *mixed)
{
    memset(mixed->carried_h, 0, sizeof(mixed->carried_h));
    mixed->carried_w = mixed->carried_s = 0;
}

/* Adds the inverse of (common^2 11' + own^2 I), in units of the widths, times the noise. */
static void add_slot_prior(const struct mixed *mixed, double noise, double *a, size_t first)
{
    double own = 1 / (OWN_WIDTH * OWN_WIDTH), common = COMMON_WIDTH * COMMON_WIDTH;
    double shared = own * common / (1 / own + MIXED_OWN * common);
    for (size_t f = 0; f < MIXED_OWN; f++)
        for (size_t g = 0; g < MIXED_OWN; g++)
            a[(first + f) * N + first + g] +=
                noise * ((f == g ? own : 0) - shared) / (mixed->width[f] * mixed->width[g]);
}

/* The used unknowns, those of slots first, and where each slot's begin; returns how many. */
static size_t list_used(struct mixed *mixed, size_t *ret_index)
{
    size_t n = 0;
    for (size_t s = 0; s < MIXED_SLOTS_MAX; s++) {
        bool is_used = s < mixed->n_slots && mixed->slots[s].kin != 0;
        mixed->place[s] = is_used ? n : N;
        for (size_t f = 0; f < MIXED_OWN && is_used; f++)
            ret_index[n++] = s * MIXED_OWN + f;
    }
    for (size_t p = 0; p < MIXED_PRICES; p++)
        ret_index[n++] = MIXED_POOLED + p;
    return n;
}

/* The used unknowns side by side, with their priors; returns how many. */
static size_t compact(struct mixed *mixed, double *a, double *b)
{
    size_t index[N], n = list_used(mixed, index);
    double noise = noise_variance(&mixed->noise);
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j <= i; j++)
            a[i * N + j] = mixed->a[index[i] * N + index[j]];
        b[i] = mixed->b[index[i]];
    }
    for (size_t s = 0; s < mixed->n_slots; s++)
        if (mixed->place[s] < n)
            add_slot_prior(mixed, noise, a, mixed->place[s]);
    for (size_t p = 0, i = n - MIXED_PRICES; p < MIXED_PRICES; p++, i++) {
        /* What ticks that look alike cannot tell apart, less noise does not tell either. */
        double weight = fmax(noise, 1) * mixed->prior_weight[p];
        a[i * N + i] += weight;
        b[i] += weight * mixed->prior[p];
    }
    return n;
}

/* The prices within their bounds, from the last rows of the factor and of y = l^-1 b. */
static void solve_prices(const double *l, const double *y, double lowest_w, double *prices)
{
    enum { M = MIXED_PRICES };
    double s[M * M], r[M];
    for (size_t i = 0; i < M; i++) {
        r[i] = 0;
        for (size_t j = 0; j < M; j++) {
            s[i * M + j] = 0;
            for (size_t k = 0; k <= (i < j ? i : j); k++)
                s[i * M + j] += l[i * N + k] * l[j * N + k];
            if (j <= i)
                r[i] += l[i * N + j] * y[j];
        }
    }
    (void)nnls_solve(M, s, r, prices, SWEEPS_MAX, TOLERANCE);
    if (!(prices[M - 1] > lowest_w))
        return;
    for (size_t i = 0; i + 1 < M; i++) {
        r[i] -= s[i * M + M - 1] * lowest_w;
        s[i * M + M - 1] = s[(M - 1) * M + i] = 0;
    }
    r[M - 1] = s[M * M - 1] * lowest_w;
    (void)nnls_solve(M, s, r, prices, SWEEPS_MAX, TOLERANCE);
}

/* Factors what has been learned; ret_y is its right side. Returns how many unknowns, 0 where it
 * cannot. */
static size_t factorise(struct mixed *mixed, double *ret_y)
{
    double a[N * N];
    size_t n = compact(mixed, a, ret_y);
    mixed->n_factor = cholesky_factor(n, N, a, mixed->factor) ? n : 0;
    return mixed->n_factor;
}

static void solve(struct mixed *mixed, double lowest_w)
{
    double y[N];
    size_t n = factorise(mixed, y);
    if (n == 0)
        return; /* the last solution stands */
    size_t first = n - MIXED_PRICES;
    cholesky_forward(n, N, mixed->factor, 0, y);
    solve_prices(mixed->factor + first * N + first, y + first, lowest_w,
                 mixed->theta + MIXED_POOLED);
    memcpy(y + first, mixed->theta + MIXED_POOLED, MIXED_PRICES * sizeof(*y));
    cholesky_backward(n, N, mixed->factor, first, y);
    for (size_t s = 0; s < mixed->n_slots; s++)
        for (size_t f = 0; f < MIXED_OWN; f++)
            mixed->theta[s * MIXED_OWN + f] = mixed->place[s] < n ? y[mixed->place[s] + f] : 0;
}

/* The tick's weight; notes how well it was explained. */
static double judge(struct mixed *mixed, const double *all_x, double measured_w, double noise_w2)
{
    double miss_w = measured_w - mixed_explain(mixed, all_x);
    double weight = robust_weight(&mixed->robust, miss_w, measured_w);
    double rate = fmax(1.0 / (double)++mixed->n_missed, 1 - MISS_DECAY);
    mixed->mean_miss_w2 += rate * (weight * miss_w * miss_w - mixed->mean_miss_w2);
    if (mixed->n_missed > NOISE_AFTER)
        noise_add(&mixed->noise, weight * miss_w / sqrt(noise_w2));
    return weight;
}

void mixed_learn(struct mixed *mixed, const double *all_x, const struct mixed_tick *tick)
{
    double weight = 1, share_w = NOISE_SHARE * tick->measured_w;
    double noise_w2 = share_w * share_w + NOISE_W * NOISE_W + tick->doubt_w * tick->doubt_w;
    if (!mixed->is_primed)
        prime(mixed, all_x, tick->measured_w, tick->floor_w);
    else
        weight = judge(mixed, all_x, tick->measured_w, noise_w2);
    for (size_t f = 0; f < FEATURE_COUNT; f++)
        mixed->mean[f] = MEAN_DECAY * mixed->mean[f] + (1 - MEAN_DECAY) * all_x[f];
    for (size_t s = 0; s < mixed->n_slots; s++)
        mixed->slots[s].cost_w =
            fmax(COST_DECAY * mixed->slots[s].cost_w, mixed_price(mixed, s, mixed->slots[s].x));
    accumulate(mixed, all_x, tick, noise_w2, weight);
    set_widths(mixed);
    solve(mixed, tick->lowest_w);
}

/* Of the data only what is used is kept: all else is 0. */
static void visit_data(struct mixed *mixed, struct state_io *io)
{
    size_t index[N], n = list_used(mixed, index), n_packed = 0;
    double packed[N * (N + 1) / 2];
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j <= i; j++)
            packed[n_packed++] = mixed->a[index[i] * N + index[j]];
    state_doubles(io, "a", packed, n_packed);
    if (!io->in || io->is_damaged)
        return;
    memset(mixed->a, 0, sizeof(mixed->a));
    n_packed = 0;
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j <= i; j++)
            mixed->a[index[i] * N + index[j]] = packed[n_packed++];
}

/* The factor is not kept: it follows from the rest. */
void mixed_visit(struct mixed *mixed, struct state_io *io)
{
    double y[N];
    for (size_t s = 0; s < MIXED_SLOTS_MAX; s++) {
        char name[24];
        (void)snprintf(name, sizeof(name), "kin%zu", s);
        state_words(io, name, &mixed->slots[s].kin, 1);
        (void)snprintf(name, sizeof(name), "cost%zu", s);
        state_doubles(io, name, &mixed->slots[s].cost_w, 1);
    }
    visit_data(mixed, io);
    state_doubles(io, "b", mixed->b, N);
    state_doubles(io, "theta", mixed->theta, N);
    state_doubles(io, "prior", mixed->prior, MIXED_PRICES);
    state_doubles(io, "prior_weight", mixed->prior_weight, MIXED_PRICES);
    state_doubles(io, "width", mixed->width, MIXED_OWN);
    state_doubles(io, "mean", mixed->mean, FEATURE_COUNT);
    state_words(io, "is_primed", &mixed->is_primed, 1);
    state_doubles(io, "mean_miss_w2", &mixed->mean_miss_w2, 1);
    state_words(io, "n_missed", &mixed->n_missed, 1);
    noise_visit(&mixed->noise, io);
    state_doubles(io, "carried_h", mixed->carried_h, N);
    state_doubles(io, "carried_w", &mixed->carried_w, 1);
    state_doubles(io, "carried_s", &mixed->carried_s, 1);
    robust_visit(&mixed->robust, io);
    if (io->in && !io->is_damaged && mixed->is_primed)
        (void)factorise(mixed, y);
}
