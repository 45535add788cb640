/* One pass over a part of a parameter matrix, its gradient and its state: the rules of
   fastnn.optimizers; penalties; and the sums and limits that look at whole vectors and columns.

   Padding is computed along: where parameter, gradient and state are zero they stay zero. */

#ifndef FASTNN_OPTIMIZER_H
#define FASTNN_OPTIMIZER_H

#include "vector.h"

/* What the rules make of a step's constants. */
#define CONSTANTS(X) \
    X(learning_rate, s->learning_rate) \
    X(first_decay, s->first_decay) \
    X(first_rate, 1 - s->first_decay) \
    X(second_rate, 1 - s->second_decay) \
    X(epsilon, s->epsilon) \
    X(shrink, s->shrink) \
    X(size, s->size) \
    X(correction, s->correction)

/* Vectors of them: the same number in each lane or, where each lane is a model, the model's own. */
struct constants {
#define MEMBER(NAME, VALUE) vec NAME;
    CONSTANTS(MEMBER)
#undef MEMBER
};

INLINE struct constants same_constants(const struct step *s) {
#define SAME(NAME, VALUE) .NAME = broadcast((real)(VALUE)),
    return (struct constants){CONSTANTS(SAME)};
#undef SAME
}

/* The parameter after an update, from its gradient and what the rule remembers of it: m, and v. */
#define RULE(NAME) \
    INLINE vec update_##NAME(const struct constants *c, vec p, vec g, vec *m, vec *v)

RULE(sgd) { return (void)m, (void)v, p - c->learning_rate * g; }

RULE(momentum) {
    (void)v;
    *m = *m * c->first_decay + g;
    return p - c->learning_rate * *m;
}

RULE(nesterov) {
    (void)v;
    *m = *m * c->first_decay + g;
    return p - c->learning_rate * (g + c->first_decay * *m);
}

RULE(rmsprop) {
    (void)v;
    *m += c->second_rate * (g * g - *m);
    return p - c->learning_rate * g / (square_root(*m) + c->epsilon);
}

RULE(adam) {
    *m += c->first_rate * (g - *m);
    *v += c->second_rate * (g * g - *v);
    return p - c->size * *m / (square_root(*v) * c->correction + c->epsilon);
}

RULE(adamw) { return update_adam(c, p * c->shrink, g, m, v); }

INLINE vec updated(const struct constants *c, enum rule rule, vec p, vec g, vec *m, vec *v) {
    switch (rule) {
#define CASE(CODE, NAME, N_VECTORS) \
    case CODE: return update_##NAME(c, p, g, m, v);
        RULES(CASE)
#undef CASE
    }
    return p;
}

/* Rules without a first or second state leave it alone. */
INLINE void update_all(const struct constants *c, enum rule rule, ptrdiff_t n_rows, ptrdiff_t n_out,
                       real *p, ptrdiff_t p_row, const real *g, ptrdiff_t g_row, real *first,
                       real *second) {
    const int has_first = vectors_of_rule(rule) > 0, has_second = vectors_of_rule(rule) > 1;
    const ptrdiff_t width = vectors(n_out) * LANES;
    for (ptrdiff_t i = 0; i < n_rows; i++)
        for (ptrdiff_t j = 0; j < width; j += LANES) {
            const ptrdiff_t at = i * p_row + j;
            vec m = has_first ? load(first + at) : broadcast(0);
            vec v = has_second ? load(second + at) : broadcast(0);
            store(p + at, updated(c, rule, load(p + at), load(g + i * g_row + j), &m, &v));
            if (has_first) store(first + at, m);
            if (has_second) store(second + at, v);
        }
}

static void update(const struct step *s, ptrdiff_t n_rows, ptrdiff_t n_out, void *params,
                   ptrdiff_t params_row, const void *grads, ptrdiff_t grads_row, void *first,
                   void *second) {
    switch (s->rule) {
#define CASE(CODE, NAME, N_VECTORS) \
    case CODE: { \
        const struct constants c = same_constants(s); \
        update_all(&c, CODE, n_rows, n_out, params, params_row, grads, grads_row, first, second); \
        break; \
    }
        RULES(CASE)
#undef CASE
    }
}

static void add_penalty(ptrdiff_t n_rows, ptrdiff_t n_out, const void *weight, ptrdiff_t weight_row,
                        double l1, double l2, void *grads, ptrdiff_t grads_row) {
    for (ptrdiff_t i = 0; i < n_rows; i++) {
        const real *const w = (const real *)weight + i * weight_row;
        real *const g = (real *)grads + i * grads_row;
        if (l2 != 0.0)
            for (ptrdiff_t j = 0; j < n_out; j++) g[j] += (real)l2 * w[j];
        if (l1 != 0.0)
            for (ptrdiff_t j = 0; j < n_out; j++) {
                const real sign = (real)((w[j] > 0) - (w[j] < 0));
                g[j] += (real)l1 * (w[j] == w[j] ? sign : w[j]);
            }
    }
}

/* PENALTY_SUMS of them side by side, so that no addition waits for the one before. */

INLINE double sum_of(int squares, ptrdiff_t n, const real *w) {
    double sums[PENALTY_SUMS] = {0.0}, sum = 0.0;
    ptrdiff_t i = 0;
    for (; i + PENALTY_SUMS <= n; i += PENALTY_SUMS)
        UNROLL for (int k = 0; k < PENALTY_SUMS; k++) {
            const double value = w[i + k];
            sums[k] += squares ? value * value : fabs(value);
        }
    for (int k = 0; i < n; i++, k++) {
        const double value = w[i];
        sums[k] += squares ? value * value : fabs(value);
    }
    for (int k = 0; k < PENALTY_SUMS; k++) sum += sums[k];
    return sum;
}

static double sum_of_squares(ptrdiff_t n, const void *values) { return sum_of(1, n, values); }

INLINE double penalty_from(double l1, double l2, double squares, double magnitudes) {
    return (l2 != 0.0 ? 0.5 * l2 * squares : 0.0) + (l1 != 0.0 ? l1 * magnitudes : 0.0);
}

static double penalty(ptrdiff_t n, const void *weights, double l1, double l2) {
    return penalty_from(l1, l2, l2 != 0.0 ? sum_of(1, n, weights) : 0.0,
                        l1 != 0.0 ? sum_of(0, n, weights) : 0.0);
}

static void scale(ptrdiff_t n, double factor, void *values) {
    real *const v = values;
    for (ptrdiff_t i = 0; i < n; i++) v[i] *= (real)factor;
}

static void limit_column_norms(ptrdiff_t n_in, ptrdiff_t n_out, double max_norm, double *norms,
                               void *weight, ptrdiff_t weight_row) {
    for (ptrdiff_t j = 0; j < n_out; j++) norms[j] = 0.0;
    for (ptrdiff_t i = 0; i < n_in; i++) {
        const real *const w = (const real *)weight + i * weight_row;
        for (ptrdiff_t j = 0; j < n_out; j++) norms[j] += (double)w[j] * (double)w[j];
    }
    /* Now the factors: 1 where the norm is within bounds or not a number. */
    for (ptrdiff_t j = 0; j < n_out; j++) {
        const double norm = sqrt(norms[j]);
        norms[j] = norm > max_norm ? max_norm / norm : 1.0;
    }
    for (ptrdiff_t i = 0; i < n_in; i++) {
        real *const w = (real *)weight + i * weight_row;
        for (ptrdiff_t j = 0; j < n_out; j++) w[j] = (real)(w[j] * norms[j]);
    }
}

#endif
