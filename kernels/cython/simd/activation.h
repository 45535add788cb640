/* Activations y = f(z) and their derivatives, row by row; dropout's mask.

   Padding is computed along: an activation of zero is finite there, and a delta of zero stays zero
   whatever finite derivative multiplies it. */

#ifndef FASTNN_ACTIVATION_H
#define FASTNN_ACTIVATION_H

#include "exponential.h"

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

/* tanh(log(1 + e^z)) = n / (n + 2), n = e^z (e^z + 2), and its derivative 4 e^z (e^z + 1) / (n + 2)².
   Both from e = e^-|z|: where z >= 0, fractions are reduced by e^2z, so that nothing overflows. All
   terms are positive, so that nothing cancels; and no sum has two products, of which a compiler
   fuses now the one, now the other. */
INLINE vec tanh_softplus(vec z, vec *slope) {
    const vec e = exponential(-absolute(z)), square = e * e, one = broadcast(1);
    const bits is_negative = MASK(z < broadcast(0));
    const vec below = select_lanes(is_negative, one, square);
    const vec n = (e + e) + select_lanes(is_negative, square, one);
    const vec d = n + (below + below);
    *slope = (real)4 * e * (e + below) / (d * d);
    return n / d;
}

INLINE vec apply_identity(vec z) { return z; }
INLINE vec apply_sigmoid(vec z) { return sigmoid(z); }
INLINE vec apply_tanh(vec z) { return hyperbolic_tangent(z); }
INLINE vec apply_relu(vec z) { return at_least(0, z); }
INLINE vec apply_leaky_relu(vec z) {
    return select_lanes(MASK(z > broadcast(0)), z, z * (real)LEAKY_SLOPE);
}
INLINE vec apply_elu(vec z) { return select_lanes(MASK(z > broadcast(0)), z, expm1_negative(z)); }
INLINE vec apply_selu(vec z) {
    return select_lanes(MASK(z > broadcast(0)), z * (real)SELU_SCALE,
                        expm1_negative(z) * (real)(SELU_SCALE * SELU_ALPHA));
}
INLINE vec apply_gelu(vec z) { return z * normal_cdf(z); }
INLINE vec apply_silu(vec z) { return z * sigmoid(z); }
INLINE vec apply_mish(vec z) { /* at least EXP_LOW, where t is 0: also at -infinity */
    vec slope;
    return at_least(EXP_LOW, z) * tanh_softplus(z, &slope);
}
INLINE vec apply_softplus(vec z) { return softplus(z); }
INLINE vec apply_exp(vec z) { return exponential(z); }

/* f'(z) from y = f(z); for gelu, silu and mish, which are not one to one, from z itself. */
INLINE vec slope_identity(vec y) { return (void)y, broadcast(1); }
INLINE vec slope_sigmoid(vec y) { return y * (broadcast(1) - y); }
INLINE vec slope_tanh(vec y) { return broadcast(1) - y * y; }
INLINE vec slope_relu(vec y) { return keep_lanes(MASK(y > broadcast(0)), broadcast(1)); }
INLINE vec slope_leaky_relu(vec y) {
    return select_lanes(MASK(y > broadcast(0)), broadcast(1), broadcast((real)LEAKY_SLOPE));
}
INLINE vec slope_elu(vec y) {
    return select_lanes(MASK(y > broadcast(0)), broadcast(1), y + broadcast(1));
}
INLINE vec slope_selu(vec y) {
    return select_lanes(MASK(y > broadcast(0)), broadcast((real)SELU_SCALE),
                        y + (real)(SELU_SCALE * SELU_ALPHA));
}
INLINE vec slope_gelu(vec z) {
    const vec density = exponential(z * z * (real)-0.5) * (real)0.39894228040143267794;
    return normal_cdf(z) + z * density;
}
INLINE vec slope_silu(vec z) {
    const vec s = sigmoid(z), one = broadcast(1);
    return s * (one + z * (one - s));
}
INLINE vec slope_mish(vec z) { /* t + z t'; beyond the limits t' is 0, t exact */
    vec slope;
    const vec clamped = clamp_exponent(z), t = tanh_softplus(clamped, &slope);
    return clamped * slope + t;
}
INLINE vec slope_softplus(vec y) { return -expm1_negative(-y); }

/* Both below: one loop for each activation, so that what it needs stays in registers. */

static void activate(enum activation activation, ptrdiff_t n_rows, ptrdiff_t n_out, const void *z,
                     ptrdiff_t z_row, void *out, ptrdiff_t out_row) {
    const ptrdiff_t width = vectors(n_out) * LANES;
    switch (activation) {
#define CASE(CODE, NAME) \
    case CODE: \
        for (ptrdiff_t i = 0; i < n_rows; i++) \
            for (ptrdiff_t j = 0; j < width; j += LANES) \
                store((real *)out + i * out_row + j, \
                      apply_##NAME(load((const real *)z + i * z_row + j))); \
        break;
        ELEMENTWISE_ACTIVATIONS(CASE)
#undef CASE
    case SOFTMAX: break; /* of whole rows: softmax.h */
    }
}

/* Work out h for some rows and columns of a layer's sums, which begin at z; out is where all begin. */
INLINE void finish(const struct epilogue *e, ptrdiff_t n_rows, ptrdiff_t n_columns, const real *z,
                   const real *out, ptrdiff_t row) {
    if (e->activation != IDENTITY || e->h != out)
        activate(e->activation, n_rows, n_columns, z, row, (real *)e->h + (z - out), row);
}

INLINE void derive_softmax(ptrdiff_t n_out, const real *y, real *delta) {
    vec sum = broadcast(0);
    for (ptrdiff_t j = 0; j < n_out; j += LANES)
        sum += keep_lanes(first_lanes(n_out - j), load(y + j) * load(delta + j));
    const vec mean = broadcast(sum_lanes(sum));
    for (ptrdiff_t j = 0; j < n_out; j += LANES)
        store(delta + j,
              keep_lanes(first_lanes(n_out - j), load(y + j) * (load(delta + j) - mean)));
}

static void derive(enum activation activation, ptrdiff_t n_rows, ptrdiff_t n_out, const void *y,
                   ptrdiff_t y_row, void *delta, ptrdiff_t delta_row) {
    const ptrdiff_t width = vectors(n_out) * LANES;
    if (activation == IDENTITY) return;
    switch (activation) {
#define CASE(CODE, NAME) \
    case CODE: \
        for (ptrdiff_t i = 0; i < n_rows; i++) \
            for (ptrdiff_t j = 0; j < width; j += LANES) { \
                real *const d = (real *)delta + i * delta_row + j; \
                store(d, load(d) * slope_##NAME(load((const real *)y + i * y_row + j))); \
            } \
        break;
        HIDDEN_ACTIVATIONS(CASE)
#undef CASE
    case EXP:
        for (ptrdiff_t i = 0; i < n_rows; i++)
            for (ptrdiff_t j = 0; j < width; j += LANES) {
                real *const d = (real *)delta + i * delta_row + j;
                store(d, load(d) * load((const real *)y + i * y_row + j));
            }
        break;
    case SOFTMAX:
        for (ptrdiff_t i = 0; i < n_rows; i++)
            derive_softmax(n_out, (const real *)y + i * y_row, (real *)delta + i * delta_row);
        break;
    }
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
