/* Losses that look at each output h = f(z) by itself, with their deltas: those of
   fastnn.backends.base.Backend.elementwise_loss. A row's delta is multiplied by its weight times `factor`
   (the reduction); its loss is weighted, without the factor. */

#ifndef FASTNN_LOSS_H
#define FASTNN_LOSS_H

#include "activation.h"

/* Each loss and its derivative by h, lane by lane; `constant` is the loss's for each output. */
#define LOSS(NAME) INLINE vec loss_##NAME(vec h, vec target, vec constant, vec *slope)

LOSS(binary_cross_entropy) {
    (void)constant;
    *slope = sigmoid(h) - target;
    return softplus(h) - target * h;
}

LOSS(squared_error) {
    const vec residual = h - target;
    (void)constant;
    *slope = residual;
    return (real)0.5 * residual * residual;
}

LOSS(poisson) {
    const vec rate = exponential(h);
    (void)constant;
    *slope = rate - target;
    return rate - target * h;
}

LOSS(huber) {
    const vec residual = h - target;
    const vec below = select_lanes(MASK(residual > constant), constant, residual);
    *slope = select_lanes(MASK(residual < -constant), -constant, below);
    return *slope * (residual - (real)0.5 * *slope);
}

LOSS(absolute_error) {
    const vec residual = h - target;
    const vec one = from_bits(to_bits(broadcast(1)) | sign_bit(residual));
    (void)constant;
    *slope = select_lanes(MASK(residual != broadcast(0)) & MASK(residual == residual), one, residual);
    return absolute(residual);
}

LOSS(quantile) {
    const vec residual = h - target, zero = broadcast(0);
    const vec below = select_lanes(MASK(residual < zero), -constant, residual); /* 0, or NaN */
    *slope = select_lanes(MASK(residual > zero), broadcast(1) - constant, below);
    return *slope * residual;
}

INLINE vec loss_of(enum loss loss, vec h, vec target, vec constant, vec *slope) {
    switch (loss) {
#define CASE(CODE, NAME) \
    case CODE: return loss_##NAME(h, target, constant, slope);
        ELEMENTWISE_LOSSES(CASE)
#undef CASE
    case CROSS_ENTROPY: break; /* of whole rows: softmax.h */
    }
    return *slope = broadcast(0);
}

INLINE vec output_of(enum activation activation, vec z) {
    switch (activation) {
#define CASE(CODE, NAME) \
    case CODE: return apply_##NAME(z);
        LOSS_ACTIVATIONS(CASE)
#undef CASE
    default: return z; /* of no loss */
    }
}

INLINE vec slope_of(enum activation activation, vec h) {
    switch (activation) {
#define CASE(CODE, NAME) \
    case CODE: return slope_##NAME(h);
        LOSS_ACTIVATIONS(CASE)
#undef CASE
    default: return broadcast(1);
    }
}

INLINE void loss_of_rows(enum loss kind, enum activation activation, ptrdiff_t n_rows,
                         ptrdiff_t n_out, const void *z, ptrdiff_t z_row, const void *target,
                         ptrdiff_t target_row, const double *row_weight, double factor,
                         const void *constants, void *delta, ptrdiff_t delta_row,
                         double *row_loss, double *row_right) {
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
            const vec h = output_of(activation, load(z_i + j));
            const vec constant = load((const real *)constants + j);
            vec slope;
            sum += keep_lanes(inside, loss_of(kind, h, load(target_i + j), constant, &slope));
            if (activation != IDENTITY) slope *= slope_of(activation, h);
            store((real *)delta + i * delta_row + j, keep_lanes(inside, slope * scale));
        }
        row_right[i] = is_right ? weight : 0.0;
        row_loss[i] = weight * sum_lanes(sum);
    }
}

static void elementwise_loss(enum loss kind, enum activation activation, ptrdiff_t n_rows,
                             ptrdiff_t n_out, const void *z, ptrdiff_t z_row, const void *target,
                             ptrdiff_t target_row, const double *row_weight, double factor,
                             const void *constants, void *delta, ptrdiff_t delta_row,
                             double *row_loss, double *row_right) {
    /* Constants, for loops without the others. */
#define LOSS_OF(KIND, ACTIVATION) \
    loss_of_rows(KIND, ACTIVATION, n_rows, n_out, z, z_row, target, target_row, row_weight, factor, \
                 constants, delta, delta_row, row_loss, row_right)
    switch (kind) {
#define CASE(CODE, NAME) \
    case CODE: \
        if (activation == IDENTITY) \
            LOSS_OF(CODE, IDENTITY); \
        else \
            LOSS_OF(CODE, activation); \
        break;
        ELEMENTWISE_LOSSES(CASE)
#undef CASE
    case CROSS_ENTROPY: break; /* of whole rows: softmax.h */
    }
#undef LOSS_OF
}

#endif
