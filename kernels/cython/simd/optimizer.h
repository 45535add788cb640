/* One pass over parameters, gradient and state: the rules of fastnn.optimizers, and what looks at the
   whole vector (penalties, norms).

   Padding is computed along: where parameter, gradient and state are zero they stay zero. */

#ifndef FASTNN_OPTIMIZER_H
#define FASTNN_OPTIMIZER_H

#include "vector.h"

INLINE vec updated(const struct step *s, enum rule rule, vec p, vec g, vec *m, vec *v) {
    const real rate = (real)s->learning_rate, epsilon = (real)s->epsilon;
    switch (rule) {
    case SGD: return p - rate * g;
    case MOMENTUM:
        *m = *m * (real)s->first_decay + g;
        return p - rate * *m;
    case NESTEROV:
        *m = *m * (real)s->first_decay + g;
        return p - rate * (g + (real)s->first_decay * *m);
    case RMSPROP:
        *m += (real)(1 - s->second_decay) * (g * g - *m);
        return p - rate * g / (square_root(*m) + epsilon);
    case ADAMW: p *= (real)s->shrink; /* fall through */
    default:
        *m += (real)(1 - s->first_decay) * (g - *m);
        *v += (real)(1 - s->second_decay) * (g * g - *v);
        return p - (real)s->size * *m / (square_root(*v) * (real)s->correction + epsilon);
    }
}

/* n is a whole number of vectors; rules without a first or second state leave it alone. */
INLINE void update_all(const struct step *s, enum rule rule, ptrdiff_t n, real *p, const real *g,
                       real *first, real *second) {
    const int has_first = rule != SGD, has_second = rule == ADAM || rule == ADAMW;
    for (ptrdiff_t i = 0; i < n; i += LANES) {
        vec m = has_first ? load(first + i) : broadcast(0);
        vec v = has_second ? load(second + i) : broadcast(0);
        store(p + i, updated(s, rule, load(p + i), load(g + i), &m, &v));
        if (has_first) store(first + i, m);
        if (has_second) store(second + i, v);
    }
}

static void update(const struct step *s, ptrdiff_t n, void *params, const void *grads, void *first,
                   void *second) {
    switch (s->rule) {
    case SGD: update_all(s, SGD, n, params, grads, first, second); break;
    case MOMENTUM: update_all(s, MOMENTUM, n, params, grads, first, second); break;
    case NESTEROV: update_all(s, NESTEROV, n, params, grads, first, second); break;
    case RMSPROP: update_all(s, RMSPROP, n, params, grads, first, second); break;
    case ADAM: update_all(s, ADAM, n, params, grads, first, second); break;
    case ADAMW: update_all(s, ADAMW, n, params, grads, first, second); break;
    }
}

static double sum_of_squares(ptrdiff_t n, const void *values) {
    const real *const w = values;
    double sum = 0.0;
    for (ptrdiff_t i = 0; i < n; i++) sum += (double)w[i] * (double)w[i];
    return sum;
}

static double penalize(ptrdiff_t n, const void *weights, double l1, double l2, void *grads) {
    const real *const w = weights;
    real *const g = grads;
    double squares = 0.0, absolutes = 0.0;
    for (ptrdiff_t i = 0; i < n; i++) {
        const real sign = (real)((w[i] > 0) - (w[i] < 0));
        squares += (double)w[i] * (double)w[i];
        absolutes += fabs((double)w[i]);
        if (l2 != 0.0) g[i] += (real)l2 * w[i];
        if (l1 != 0.0) g[i] += (real)l1 * (w[i] == w[i] ? sign : w[i]);
    }
    return (l2 != 0.0 ? 0.5 * l2 * squares : 0.0) + (l1 != 0.0 ? l1 * absolutes : 0.0);
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
