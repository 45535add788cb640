/* Losses from the last layer's z, with their deltas: row by row.

       cross-entropy   log Σ e^(z - max) - (z[label] - max)     softmax(z) - onehot(label)

   and those of fastnn.backends.base.Backend.elementwise_loss. A row's delta is multiplied by its
   weight times `factor` (the reduction); the sums returned are weighted, without the factor. */

#ifndef FASTNN_LOSS_H
#define FASTNN_LOSS_H

#include "exponential.h"

#ifdef FASTNN_DOUBLE
#define LOGARITHM log
#else
#define LOGARITHM logf
#endif

/* The largest of n numbers, NaN if there is one. */
INLINE real row_maximum(const real *z, ptrdiff_t n) {
    const vec lowest = broadcast(-(real)INFINITY);
    vec largest = lowest;
    for (ptrdiff_t j = 0; j < n; j += LANES)
        largest = maximum(select_lanes(first_lanes(n - j), load(z + j), lowest), largest);
    return max_lanes(largest);
}

/* out = e^(z - largest), zero behind the n-th; returns the sum. */
INLINE real row_exponentials(const real *z, ptrdiff_t n, real largest, real *out) {
    vec sum = broadcast(0);
    for (ptrdiff_t j = 0; j < n; j += LANES) {
        const vec e = keep_lanes(first_lanes(n - j), exponential(load(z + j) - largest));
        sum += e;
        store(out + j, e);
    }
    return sum_lanes(sum);
}

static void softmax(ptrdiff_t n_rows, ptrdiff_t n_out, const void *z, ptrdiff_t z_row, void *out,
                    ptrdiff_t out_row) {
    for (ptrdiff_t i = 0; i < n_rows; i++) {
        const real *const from = (const real *)z + i * z_row;
        real *const to = (real *)out + i * out_row;
        const real total = row_exponentials(from, n_out, row_maximum(from, n_out), to);
        for (ptrdiff_t j = 0; j < n_out; j += LANES)
            store(to + j, keep_lanes(first_lanes(n_out - j), load(to + j) / broadcast(total)));
    }
}

/* Whether numpy.argmax of the row, whose maximum is known, is the label: ties and NaNs go to the
   first. */
INLINE int is_first_maximum(const real *z, real largest, int64_t label) {
    const int no_number = largest != largest;
    if (no_number ? z[label] == z[label] : z[label] != largest) return 0;
    for (int64_t j = 0; j < label; j++)
        if (no_number ? z[j] != z[j] : z[j] == largest) return 0;
    return 1;
}

static double softmax_cross_entropy(ptrdiff_t n_rows, ptrdiff_t n_out, const void *z,
                                    ptrdiff_t z_row, const int64_t *labels,
                                    const double *row_weight, double factor, void *delta,
                                    ptrdiff_t delta_row, double *right) {
    double loss = 0.0;
    *right = 0.0;
    for (ptrdiff_t i = 0; i < n_rows; i++) {
        const real *const from = (const real *)z + i * z_row;
        real *const to = (real *)delta + i * delta_row;
        const int64_t label = labels[i];
        const double weight = row_weight ? row_weight[i] : 1.0;
        const vec scale = broadcast((real)(weight * factor));
        const real largest = row_maximum(from, n_out);
        const real shifted = from[label] - largest;
        if (is_first_maximum(from, largest, label)) *right += weight;
        const real total = row_exponentials(from, n_out, largest, to);
        for (ptrdiff_t j = 0; j < n_out; j += LANES) {
            const bits inside = first_lanes(n_out - j);
            const bits at_label = first_lanes(label - j + 1) & ~first_lanes(label - j);
            const vec p = load(to + j) / broadcast(total);
            const vec target = keep_lanes(at_label, broadcast(1));
            store(to + j, keep_lanes(inside, (p - target) * scale));
        }
        loss += weight * (LOGARITHM(total) - shifted);
    }
    return loss;
}

/* A loss and its derivative by z, lane by lane. */
INLINE vec loss_of(enum loss loss, vec z, vec target, vec limit, vec *slope) {
    const vec residual = z - target;
    switch (loss) {
    case BINARY_CROSS_ENTROPY:
        *slope = sigmoid(z) - target;
        return softplus(z) - target * z;
    case POISSON: {
        const vec rate = exponential(z);
        *slope = rate - target;
        return rate - target * z;
    }
    case HUBER: {
        const vec below = select_lanes(MASK(residual > limit), limit, residual);
        *slope = select_lanes(MASK(residual < -limit), -limit, below);
        return *slope * (residual - (real)0.5 * *slope);
    }
    case ABSOLUTE_ERROR: {
        const vec one = from_bits(to_bits(broadcast(1)) | sign_bit(residual));
        *slope = select_lanes(MASK(residual != broadcast(0)) & MASK(residual == residual), one,
                              residual);
        return absolute(residual);
    }
    default: /* squared error */
        *slope = residual;
        return (real)0.5 * residual * residual;
    }
}

static double elementwise_loss(enum loss kind, ptrdiff_t n_rows, ptrdiff_t n_out, const void *z,
                               ptrdiff_t z_row, const void *target, ptrdiff_t target_row,
                               const double *row_weight, double factor, double huber_delta,
                               void *delta, ptrdiff_t delta_row, double *right) {
    const vec limit = broadcast((real)huber_delta);
    double loss = 0.0;
    *right = 0.0;
    for (ptrdiff_t i = 0; i < n_rows; i++) {
        const real *const z_i = (const real *)z + i * z_row;
        const real *const target_i = (const real *)target + i * target_row;
        const double weight = row_weight ? row_weight[i] : 1.0;
        const vec scale = broadcast((real)(weight * factor));
        vec sum = broadcast(0);
        int row_right = 1;
        for (ptrdiff_t j = 0; j < n_out && row_right; j++)
            row_right = (z_i[j] > 0) == (target_i[j] > (real)0.5);
        for (ptrdiff_t j = 0; j < n_out; j += LANES) {
            const bits inside = first_lanes(n_out - j);
            vec slope;
            sum += keep_lanes(inside,
                              loss_of(kind, load(z_i + j), load(target_i + j), limit, &slope));
            store((real *)delta + i * delta_row + j, keep_lanes(inside, slope * scale));
        }
        if (row_right) *right += weight;
        loss += weight * sum_lanes(sum);
    }
    return loss;
}

#endif
