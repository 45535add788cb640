/* Activations y = f(z) and their derivatives, row by row; dropout's mask.

   Padding is computed along: an activation of zero is finite there, and a delta of zero stays zero
   whatever finite derivative multiplies it. */

#ifndef FASTNN_ACTIVATION_H
#define FASTNN_ACTIVATION_H

#include "exponential.h"

#define LEAKY_SLOPE ((real)0.01)

/* Φ(z) = erfc(-z / √2) / 2, number by number with libm's erfc: exact in the tail, where 1 + erf is
   not. */
INLINE vec normal_cdf(vec z) {
    real lane[sizeof(vec) / sizeof(real)];
    memcpy(lane, &z, sizeof z);
    for (ptrdiff_t i = 0; i < LANES; i++)
        lane[i] = (real)(0.5 * erfc(-0.70710678118654752440 * (double)lane[i]));
    memcpy(&z, lane, sizeof z);
    return z;
}

INLINE vec activation_of(enum activation activation, vec z) {
    const vec zero = broadcast(0);
    switch (activation) {
    case SIGMOID: return sigmoid(z);
    case TANH: return hyperbolic_tangent(z);
    case RELU: return at_least(0, z);
    case LEAKY_RELU: return select_lanes(MASK(z > zero), z, z * LEAKY_SLOPE);
    case ELU: return select_lanes(MASK(z > zero), z, expm1_negative(z));
    case GELU: return z * normal_cdf(z);
    case SILU: return z * sigmoid(z);
    case SOFTPLUS: return softplus(z);
    case EXP: return exponential(z);
    default: return z;
    }
}

/* f'(z) from y = f(z); for gelu and silu, which are not one to one, y is z itself. */
INLINE vec derivative_of(enum activation activation, vec y) {
    const vec zero = broadcast(0), one = broadcast(1);
    switch (activation) {
    case SIGMOID: return y * (one - y);
    case TANH: return one - y * y;
    case RELU: return keep_lanes(MASK(y > zero), one);
    case LEAKY_RELU: return select_lanes(MASK(y > zero), one, broadcast(LEAKY_SLOPE));
    case ELU: return select_lanes(MASK(y > zero), one, y + one);
    case GELU: {
        const vec density = exponential(y * y * (real)-0.5) * (real)0.39894228040143267794;
        return normal_cdf(y) + y * density;
    }
    case SILU: {
        const vec s = sigmoid(y);
        return s * (one + y * (one - s));
    }
    case SOFTPLUS: return -expm1_negative(-y);
    default: return one;
    }
}

/* One loop for each activation, so that what it needs stays in registers. */
#define EACH_ACTIVATION(APPLY) \
    switch (activation) { \
    case SIGMOID: APPLY(SIGMOID); break; \
    case TANH: APPLY(TANH); break; \
    case RELU: APPLY(RELU); break; \
    case LEAKY_RELU: APPLY(LEAKY_RELU); break; \
    case ELU: APPLY(ELU); break; \
    case GELU: APPLY(GELU); break; \
    case SILU: APPLY(SILU); break; \
    case SOFTPLUS: APPLY(SOFTPLUS); break; \
    case EXP: APPLY(EXP); break; \
    default: APPLY(IDENTITY); break; \
    }

static void activate(enum activation activation, ptrdiff_t n_rows, ptrdiff_t n_out, const void *z,
                     ptrdiff_t z_row, void *out, ptrdiff_t out_row) {
    const ptrdiff_t width = vectors(n_out) * LANES;
#define APPLY(F) \
    for (ptrdiff_t i = 0; i < n_rows; i++) \
        for (ptrdiff_t j = 0; j < width; j += LANES) \
            store((real *)out + i * out_row + j, \
                  activation_of(F, load((const real *)z + i * z_row + j)))
    EACH_ACTIVATION(APPLY)
#undef APPLY
}

/* Work out h for some rows and columns of a layer's sums, which begin at z; out is where all begin. */
INLINE void finish(const struct epilogue *e, ptrdiff_t n_rows, ptrdiff_t n_columns, const real *z,
                   const real *out, ptrdiff_t row) {
    if (e->activation != IDENTITY || e->h != out)
        activate(e->activation, n_rows, n_columns, z, row, (real *)e->h + (z - out), row);
}

static void derive(enum activation activation, ptrdiff_t n_rows, ptrdiff_t n_out, const void *y,
                   ptrdiff_t y_row, void *delta, ptrdiff_t delta_row) {
    const ptrdiff_t width = vectors(n_out) * LANES;
#define APPLY(F) \
    for (ptrdiff_t i = 0; i < n_rows; i++) \
        for (ptrdiff_t j = 0; j < width; j += LANES) { \
            real *const d = (real *)delta + i * delta_row + j; \
            store(d, load(d) * derivative_of(F, load((const real *)y + i * y_row + j))); \
        }
    if (activation != IDENTITY) {
        EACH_ACTIVATION(APPLY)
    }
#undef APPLY
}

/* The hash of fastnn.backends.dropout: lowbias32 (Wellons) of the counter, keyed by two words. */
INLINE uint32_t dropout_hash(uint32_t counter, uint32_t low, uint32_t high) {
    uint32_t h = counter * 0x9E3779B9u + low;
    h = (h ^ (h >> 16)) * 0x7FEB352Du ^ high;
    h = (h ^ (h >> 15)) * 0x846CA68Bu;
    return h ^ (h >> 16);
}

static void drop(uint64_t key, uint32_t threshold, double rate, ptrdiff_t first, ptrdiff_t width,
                 ptrdiff_t n_rows, ptrdiff_t n_out, const void *h, ptrdiff_t h_row, void *out,
                 ptrdiff_t out_row) {
    const real kept = (real)(1.0 / (1.0 - rate));
    const uint32_t low = (uint32_t)key, high = (uint32_t)(key >> 32);
    for (ptrdiff_t i = 0; i < n_rows; i++) {
        const uint32_t counter = (uint32_t)first + (uint32_t)i * (uint32_t)width;
        const real *const from = (const real *)h + i * h_row;
        real *const to = (real *)out + i * out_row;
        /* Times zero, not zero itself: what is not a number stays so, as in the reference. */
        for (ptrdiff_t j = 0; j < n_out; j++)
            to[j] = from[j] * (dropout_hash(counter + (uint32_t)j, low, high) >= threshold ? kept : 0);
    }
}

#endif
