/* The first layer of a network whose input features are scaled, V = diag(s) W: see kernels.h.

   Its loops run over whole vectors: padding is zero in W and in the gradient, and stays zero. */

#ifndef FASTNN_SCALED_H
#define FASTNN_SCALED_H

#include <float.h>

#include "optimizer.h"

#if defined(FASTNN_DOUBLE)
#define EPSILON DBL_EPSILON
#define SMALLEST DBL_MIN
#else
#define EPSILON ((double)FLT_EPSILON)
#define SMALLEST ((double)FLT_MIN)
#endif

/* Whether a row of V is s times that of W, but for rounding and for subnormal numbers, which are
   zero while training; and not one of a state of zeros, with which a fit begins. */
static int is_scaled(ptrdiff_t n, const real *seen, const real *raw, real s) {
    int some = s != 0;
    for (ptrdiff_t j = 0; j < n; j++) {
        const double v = seen[j], off = fabs(v - (double)s * (double)raw[j]);
        if (!(off <= 4 * EPSILON * fabs(v) + SMALLEST)) return 0;
        some |= raw[j] != 0;
    }
    return some;
}

static void begin_scaled(ptrdiff_t n_in, ptrdiff_t n_out, const void *seen, ptrdiff_t row, void *raw,
                         void *scales) {
    for (ptrdiff_t i = 0; i < n_in; i++) {
        const real *const v = (const real *)seen + i * row;
        real *const w = (real *)raw + i * row;
        real *const s = (real *)scales + i;
        if (is_scaled(n_out, v, w, *s)) continue;
        memcpy(w, v, (size_t)n_out * sizeof *w);
        *s = 1;
    }
}

/* The number after an update by a rule; of vectors that hold it in each lane. */
INLINE real updated_number(const struct step *step, enum rule rule, real p, real g, real *first,
                           real *second) {
    const struct constants c = same_constants(step);
    const int has_first = vectors_of_rule(rule) > 0, has_second = vectors_of_rule(rule) > 1;
    vec m = broadcast(has_first ? *first : 0), v = broadcast(has_second ? *second : 0);
    const real after = first_lane(updated(&c, rule, broadcast(p), broadcast(g), &m, &v));
    if (has_first) *first = first_lane(m);
    if (has_second) *second = first_lane(v);
    return after;
}

INLINE void update_scaled_by(enum rule rule, const struct step *of_weights,
                             const struct step *of_scales, ptrdiff_t n_rows, ptrdiff_t n_out,
                             const real *grads, ptrdiff_t row, real *raw, real *first, real *second,
                             real *scales, ptrdiff_t scales_row, real *seen) {
    const struct constants c = same_constants(of_weights);
    const int has_first = vectors_of_rule(rule) > 0, has_second = vectors_of_rule(rule) > 1;
    const ptrdiff_t width = vectors(n_out) * LANES;
    for (ptrdiff_t i = 0; i < n_rows; i++) {
        const vec s = broadcast(scales[i]);
        vec sum = broadcast(0);
        for (ptrdiff_t j = 0; j < width; j += LANES) {
            const ptrdiff_t at = i * row + j;
            const vec g = load(grads + at), w = load(raw + at);
            vec m = has_first ? load(first + at) : broadcast(0);
            vec v = has_second ? load(second + at) : broadcast(0);
            sum += w * g;
            store(raw + at, updated(&c, rule, w, s * g, &m, &v));
            if (has_first) store(first + at, m);
            if (has_second) store(second + at, v);
        }
        scales[i] = updated_number(of_scales, rule, scales[i], sum_lanes(sum),
                                   scales + scales_row + i, scales + 2 * scales_row + i);
        const vec after = broadcast(scales[i]), zero = broadcast(0); /* + 0: padding is never -0 */
        for (ptrdiff_t j = 0; j < width; j += LANES)
            store(seen + i * row + j, after * load(raw + i * row + j) + zero);
    }
}

static void update_scaled(const struct step *of_weights, const struct step *of_scales,
                          ptrdiff_t n_rows, ptrdiff_t n_out, const void *grads, ptrdiff_t row,
                          void *raw, void *first, void *second, void *scales, ptrdiff_t scales_row,
                          void *seen) {
    switch (of_weights->rule) {
#define CASE(CODE, NAME, N_VECTORS) \
    case CODE: \
        update_scaled_by(CODE, of_weights, of_scales, n_rows, n_out, grads, row, raw, first, \
                         second, scales, scales_row, seen); \
        break;
        RULES(CASE)
#undef CASE
    }
}

static void scale_columns(ptrdiff_t n_in, ptrdiff_t n_out, const double *factors, void *raw,
                          ptrdiff_t row, const void *scales, void *seen) {
    for (ptrdiff_t i = 0; i < n_in; i++) {
        real *const w = (real *)raw + i * row;
        real *const v = (real *)seen + i * row;
        const real s = ((const real *)scales)[i];
        for (ptrdiff_t j = 0; j < n_out; j++) {
            w[j] = (real)(w[j] * factors[j]);
            v[j] = s * w[j];
        }
    }
}

#undef EPSILON
#undef SMALLEST

#endif
