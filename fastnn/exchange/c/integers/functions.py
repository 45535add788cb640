"""The functions of a network in integers in C99, as text; ``NAME`` stands for the network's name.

No operation overflows, and no negative number is shifted: `fastnn.exchange.c.integers.calibration`
states the bounds. Numbers are cast to int32_t before they are multiplied, since int may have 16
bits.
"""

from fastnn.exchange.c.integers.network import CURVE_OFFSET, LEAKY_DIVISOR

DOT = """\
/* The sum and what one unit adds to it: sum over i of x[i] * weight[i]. */
static inline int32_t NAME_dotSUFFIX(
    int32_t sum, const KIND *x, const int8_t *weight, size_t n_in)
{
    for (size_t i = 0; i < n_in; i++) {
        sum += (int32_t)INPUT * (int32_t)weight[i];
    }
    return sum;
}
"""

BOUNDED = """\
/* An input of the first layer, from -LIMIT to LIMIT, so that no sum overflows. */
static inline int32_t NAME_bounded(int16_t x)
{
    return x > LIMIT ? LIMIT : x < -LIMIT ? -LIMIT : x;
}
"""

SCALED = """\
/* sum * multiplier / 2^shift to the nearest, halves away from zero; from -limit to limit. */
static inline int32_t NAME_scaled(int32_t sum, uint32_t multiplier, uint8_t shift, int32_t limit)
{
    const uint64_t size = (uint64_t)(sum < 0 ? -sum : sum) * multiplier;
    const uint64_t rounded = (size + ((uint64_t)1 << (shift - 1))) >> shift;
    const int32_t bounded = rounded < (uint64_t)limit ? (int32_t)rounded : limit;
    return sum < 0 ? -bounded : bounded;
}
"""

RELU = """\
/* relu: z, or 0 where z is negative. */
static inline int32_t NAME_relu(int32_t z)
{
    return z < 0 ? 0 : z;
}
"""

LEAKY_RELU = f"""\
/* leaky relu: z, at most limit, or z / {LEAKY_DIVISOR} where z is negative. */
static inline int32_t NAME_leaky_relu(int32_t z, int32_t limit)
{{
    return z < 0 ? -(({LEAKY_DIVISOR // 2} - z) / {LEAKY_DIVISOR}) : z < limit ? z : limit;
}}
"""

ON_CURVE = f"""\
/* A function of z, from -32767 to 32767: between the two nearest of 257 values, which are stored
 * with {CURVE_OFFSET:,} added. */
static inline int32_t NAME_on_curve(const uint16_t *curve, int32_t z)
{{
    const uint32_t place = (uint32_t)(z + INT32_C({CURVE_OFFSET}));
    const uint32_t part = place & 255u;
    const uint16_t *at = curve + (place >> 8);
    const uint32_t value = (at[0] * (256u - part) + at[1] * part + 128u) >> 8;
    return (int32_t)value - INT32_C({CURVE_OFFSET});
}}
"""

LAYER = """\
/* Layer NUMBER: x (N_IN) -> h (N_OUT). */
static inline void NAME_layer_NUMBER(const KIND *x, TARGET *h)
{
    for (size_t j = 0; j < N_OUT; j++) {
        const int32_t sum = NAME_dotSUFFIX(
            NAME_bias_NUMBER[j], x, NAME_weight_NUMBER + j * N_IN, N_IN);
        const int32_t z = NAME_scaled(
            sum, NAME_multiplier_NUMBER[j], NAME_shift_NUMBER[j], INT32_C(LIMIT));
        h[j] = VALUE;
    }
}
"""

MOST_LIKELY = """\
/* The index of the largest of the outputs, the first of those if there are several. */
static inline int NAME_decide(const int32_t *out)
{
    int best = 0;
    for (int j = 1; j < NAME_N_OUT; j++) {
        if (out[j] > out[best]) {
            best = j;
        }
    }
    return best;
}
"""

YES_OR_NO = """\
/* Class 1 if its logit is above zero, its probability above one half; else class 0. */
static inline int NAME_decide(const int32_t *out)
{
    return out[0] > 0;
}
"""

CLASSIFY = """\
/* The class of one row x of NAME_N_IN WORDS: an index from 0 to NAME_N_CLASSES - 1. */
static inline int NAME_classifySUFFIX(const KIND *x)
{
    int32_t out[NAME_N_OUT];
    NAME_predictSUFFIX(x, out);
    return NAME_decide(out);
}
"""

QUANTIZE = """\
/* Floats as integers of the first layer: (x[i] - offset[i]) * factor[i], rounded, from -LIMIT to
 * LIMIT; what is not a number becomes -LIMIT. */
static inline void NAME_quantize(const float *x, int16_t *q)
{
    for (size_t i = 0; i < NAME_N_IN; i++) {
        const float steps = (x[i] - NAME_offset[i]) * NAME_factor[i];
        if (steps >= LIMIT.0f) {
            q[i] = LIMIT;
        } else if (steps > -LIMIT.0f) {
            q[i] = (int16_t)(steps < 0.0f ? steps - 0.5f : steps + 0.5f);
        } else {
            q[i] = -LIMIT;
        }
    }
}
"""
