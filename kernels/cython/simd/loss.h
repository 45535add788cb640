/* Losses that look at each output by itself, with their deltas: those of
   fastnn.backends.base.Backend.elementwise_loss. A row's delta is multiplied by its weight times `factor`
   (the reduction); its loss is weighted, without the factor. */

#ifndef FASTNN_LOSS_H
#define FASTNN_LOSS_H

#include "exponential.h"

/* Each loss and its derivative by z, lane by lane; `limit` is Huber's. */
#define LOSS(NAME) INLINE vec loss_##NAME(vec z, vec target, vec limit, vec *slope)

LOSS(binary_cross_entropy) {
    (void)limit;
    *slope = sigmoid(z) - target;
    return softplus(z) - target * z;
}

LOSS(squared_error) {
    const vec residual = z - target;
    (void)limit;
    *slope = residual;
    return (real)0.5 * residual * residual;
}

LOSS(poisson) {
    const vec rate = exponential(z);
    (void)limit;
    *slope = rate - target;
    return rate - target * z;
}

LOSS(huber) {
    const vec residual = z - target;
    const vec below = select_lanes(MASK(residual > limit), limit, residual);
    *slope = select_lanes(MASK(residual < -limit), -limit, below);
    return *slope * (residual - (real)0.5 * *slope);
}

LOSS(absolute_error) {
    const vec residual = z - target;
    const vec one = from_bits(to_bits(broadcast(1)) | sign_bit(residual));
    (void)limit;
    *slope = select_lanes(MASK(residual != broadcast(0)) & MASK(residual == residual), one, residual);
    return absolute(residual);
}

INLINE vec loss_of(enum loss loss, vec z, vec target, vec limit, vec *slope) {
    switch (loss) {
#define CASE(CODE, NAME) \
    case CODE: return loss_##NAME(z, target, limit, slope);
        ELEMENTWISE_LOSSES(CASE)
#undef CASE
    case CROSS_ENTROPY: break; /* of whole rows: softmax.h */
    }
    return *slope = broadcast(0);
}

static void elementwise_loss(enum loss kind, ptrdiff_t n_rows, ptrdiff_t n_out, const void *z,
                             ptrdiff_t z_row, const void *target, ptrdiff_t target_row,
                             const double *row_weight, double factor, double huber_delta,
                             void *delta, ptrdiff_t delta_row, double *row_loss,
                             double *row_right) {
    const vec limit = broadcast((real)huber_delta);
    for (ptrdiff_t i = 0; i < n_rows; i++) {
        const real *const z_i = (const real *)z + i * z_row;
        const real *const target_i = (const real *)target + i * target_row;
        const double weight = row_weight ? row_weight[i] : 1.0;
        const vec scale = broadcast((real)(weight * factor));
        vec sum = broadcast(0);
        int is_right = 1;
        for (ptrdiff_t j = 0; j < n_out && is_right; j++)
            is_right = (z_i[j] > 0) == (target_i[j] > (real)0.5);
        for (ptrdiff_t j = 0; j < n_out; j += LANES) {
            const bits inside = first_lanes(n_out - j);
            vec slope;
            sum += keep_lanes(inside,
                              loss_of(kind, load(z_i + j), load(target_i + j), limit, &slope));
            store((real *)delta + i * delta_row + j, keep_lanes(inside, slope * scale));
        }
        row_right[i] = is_right ? weight : 0.0;
        row_loss[i] = weight * sum_lanes(sum);
    }
}

#endif
