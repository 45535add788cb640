/* Updates and penalties of many small networks, a model in each lane, with constants of its own. */

#ifndef FASTNN_LANE_UPDATES_H
#define FASTNN_LANE_UPDATES_H

#include "optimizer.h"

/* The constants of one step for each lane. */
INLINE struct constants own_constants(const struct step *steps) {
    struct constants own;
    real lane[sizeof(vec) / sizeof(real)];
#define OWN(NAME, VALUE) \
    for (ptrdiff_t i = 0; i < LANES; i++) { \
        const struct step *const s = steps + i; \
        lane[i] = (real)(VALUE); \
    } \
    own.NAME = load(lane);
    CONSTANTS(OWN)
#undef OWN
    return own;
}

static void update_lanes(const struct step *steps, ptrdiff_t n, void *params, const void *grads,
                         void *first, void *second) {
    const struct constants c = own_constants(steps);
    switch (steps->rule) {
#define CASE(CODE, NAME, N_VECTORS) \
    case CODE: update_all(&c, CODE, 1, n * LANES, params, 0, grads, 0, first, second); break;
        RULES(CASE)
#undef CASE
    }
}

/* Vectors of a penalty's strengths, and which models have one. */
struct strengths {
    vec number;
    bits are_some;
};

INLINE struct strengths strengths_of(const double *numbers) {
    real lane[sizeof(vec) / sizeof(real)];
    integer some[sizeof(vec) / sizeof(real)];
    struct strengths of;
    for (ptrdiff_t i = 0; i < LANES; i++) {
        lane[i] = (real)numbers[i];
        some[i] = -(integer)(numbers[i] != 0.0);
    }
    of.number = load(lane);
    memcpy(&of.are_some, some, sizeof some);
    return of;
}

/* grads += l2 · weight + l1 · sign(weight), where a model has such a penalty. */
static void add_penalty_lanes(ptrdiff_t n, const double *l1, const double *l2, const void *weight,
                              void *grads) {
    const struct strengths one = strengths_of(l1), two = strengths_of(l2);
    const vec zero = broadcast(0);
    for (ptrdiff_t i = 0; i < n * LANES; i += LANES) {
        const vec w = load((const real *)weight + i);
        const vec sign = from_bits((to_bits(broadcast(1)) | sign_bit(w)) & MASK(w != zero));
        vec g = load((real *)grads + i);
        g = select_lanes(two.are_some, g + two.number * w, g);
        g = select_lanes(one.are_some, g + one.number * select_lanes(MASK(w == w), sign, w), g);
        store((real *)grads + i, g);
    }
}

/* Add a layer's weights to the sums that `sum_of` keeps side by side, of squares and of magnitudes. */
static void sum_weights_lanes(ptrdiff_t n_in, ptrdiff_t n_out, ptrdiff_t slot, ptrdiff_t stride,
                              ptrdiff_t n_slots, const void *weight, double *sums) {
    const real *w = weight;
    for (ptrdiff_t i = 0; i < n_in; i++)
        for (ptrdiff_t j = 0; j < n_out; j++, w += LANES) {
            const ptrdiff_t at = slot + i * stride + j;
            if (at < 0 || at >= n_slots) continue;
            double *const squares = sums + at % PENALTY_SUMS * LANES;
            double *const magnitudes = squares + PENALTY_SUMS * LANES;
            for (ptrdiff_t lane = 0; lane < LANES; lane++) {
                const double value = w[lane];
                squares[lane] += value * value;
                magnitudes[lane] += fabs(value);
            }
        }
}

static void add_penalties_lanes(const double *sums, const double *l1, const double *l2,
                                double *penalty) {
    for (ptrdiff_t lane = 0; lane < LANES; lane++) {
        double squares = 0.0, magnitudes = 0.0;
        for (int k = 0; k < PENALTY_SUMS; k++) {
            squares += sums[k * LANES + lane];
            magnitudes += sums[(PENALTY_SUMS + k) * LANES + lane];
        }
        penalty[lane] += penalty_from(l1[lane], l2[lane], squares, magnitudes);
    }
}

#endif
