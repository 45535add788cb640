/* exp and what is made of it, on vectors.

       e^x = 2^n · e^r      n = round(x / ln 2),  r = x - n ln 2 in two parts,  |r| <= ln 2 / 2
       e^r - 1 = r + r² P(r)

   x / ln 2 is rounded by adding a number so large that its last bit counts ones; the low bits of the
   sum then are n. 2^n is made in the exponent field, in two factors so that results may overflow to
   infinity or go down to the smallest subnormal (a target may have an instruction for both). Arguments beyond
   that are clamped in a way that lets NaN pass. The minus-one form keeps relative accuracy where
   results are small: expm1, tanh and elu rest on it. */

#ifndef FASTNN_EXPONENTIAL_H
#define FASTNN_EXPONENTIAL_H

#include "vector.h"

#ifdef FASTNN_DOUBLE
#define EXP_LOW (-746.0)  /* e^x rounds to 0 below -745.13 */
#define EXP_HIGH 710.0    /* and to infinity above 709.78 */
#define ROUNDER 6755399441055744.0 /* 1.5 · 2^52 */
#define LN2_HIGH 0x1.62e42fefa3800p-1 /* ln 2 to 42 bits: n times it is exact */
#define LN2_LOW 0x1.ef35793c76800p-45 /* the next 42, exact too: fused or not, sums are the same */
#define FRACTION_BITS 52
#define EXPONENT_BIAS 1023
#define LOG1P_TERMS 17
#else
#define EXP_LOW (-104.0f) /* e^x rounds to 0 below -103.97 */
#define EXP_HIGH 89.0f    /* and to infinity above 88.72 */
#define ROUNDER 12582912.0f /* 1.5 · 2^23 */
#define LN2_HIGH 0x1.62e400p-1f /* ln 2 to 15 bits: n times it is exact */
#define LN2_LOW 0x1.7f7e00p-20f /* the next 16, exact too: fused or not, sums are the same */
#define FRACTION_BITS 23
#define EXPONENT_BIAS 127
#define LOG1P_TERMS 8
#endif

INLINE vec clamp_exponent(vec x) { return at_least(EXP_LOW, at_most(EXP_HIGH, x)); }

/* Return e^r - 1 for the remainder r of a clamped x; *n receives the power of two. */
INLINE vec reduced_expm1(vec x, vec *n) {
    const vec rounded = (x * (real)1.44269504088896340736 + ROUNDER) - ROUNDER;
    const vec r = x - rounded * LN2_HIGH - rounded * LN2_LOW;
    *n = rounded;
#ifdef FASTNN_DOUBLE
    /* Taylor's coefficients 1/k! to k = 13; the next term is below 2^-57. */
    vec p = r * (1.0 / 6227020800.0) + 1.0 / 479001600.0;
    p = p * r + 1.0 / 39916800.0;
    p = p * r + 1.0 / 3628800.0;
    p = p * r + 1.0 / 362880.0;
    p = p * r + 1.0 / 40320.0;
    p = p * r + 1.0 / 5040.0;
    p = p * r + 1.0 / 720.0;
    p = p * r + 1.0 / 120.0;
    p = p * r + 1.0 / 24.0;
    p = p * r + 1.0 / 6.0;
    p = p * r + 0.5;
#else
    /* Moshier's minimax coefficients (Cephes, expf); the error is below 2^-28. */
    vec p = r * 1.9875691500e-4f + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
#endif
    return p * (r * r) + r;
}

/* A whole number in its bits, and back. */
INLINE bits whole_bits(vec n) { return to_bits(n + ROUNDER) - to_bits(broadcast(ROUNDER)); }
INLINE vec whole_number(bits n) { return from_bits(n + to_bits(broadcast(ROUNDER))) - ROUNDER; }

/* 2^n for n within the range of normal numbers; of words, since NaN's n would overflow integers. */
INLINE vec power_of_two(bits n) {
    return from_bits((bits)((words)(n + EXPONENT_BIAS) << FRACTION_BITS));
}

/* y · 2^n, rounded once, for any n whose halves are within that range. */
INLINE vec times_power_of_two(vec y, vec n) {
#if defined(TIMES_POWER_OF_TWO)
    return TIMES_POWER_OF_TWO(y, n);
#else
    const bits whole = whole_bits(n), half = whole >> 1;
    return y * power_of_two(half) * power_of_two(whole - half);
#endif
}

INLINE vec exponential(vec x) {
    vec n;
    const vec y = reduced_expm1(clamp_exponent(x), &n) + (real)1;
    return times_power_of_two(y, n);
}

/* e^x - 1 for x <= 0. */
INLINE vec expm1_negative(vec x) {
    vec n;
    const vec y = reduced_expm1(at_least(-(real)EXPONENT_BIAS / 2, x), &n);
    const vec scale = power_of_two(whole_bits(n));
    return y * scale + (scale - (real)1);
}

/* log(1 + t) for 0 <= t <= 1: 2 atanh(s) = 2 s + 2 s (s²/3 + s⁴/5 + …), s = t / (2 + t) <= 1/3. A sum
   in the end, not a product: of two products in one sum a compiler fuses now the one, now the other. */
INLINE vec log1p_unit(vec t) {
    const vec s = t / (t + (real)2);
    const vec square = s * s, twice = s + s;
    vec series = broadcast((real)1 / (2 * LOG1P_TERMS + 1));
    for (int k = LOG1P_TERMS - 1; k > 0; k--) series = series * square + (real)1 / (2 * k + 1);
    return twice * square * series + twice;
}

/* log x for x >= 1: n log 2 + log m, x = 2^n m; NaN stays NaN. */
INLINE vec logarithm(vec x) {
    const bits fraction = to_bits(x) & (((integer)1 << FRACTION_BITS) - 1);
    const bits n = (to_bits(x) >> FRACTION_BITS) - EXPONENT_BIAS;
    const vec log_m = log1p_unit(from_bits(fraction | to_bits(broadcast(1))) - (real)1);
    const vec whole = whole_number(n);
    return select_lanes(MASK(x == x), whole * LN2_HIGH + (whole * LN2_LOW + log_m), x);
}

INLINE vec sigmoid(vec z) {
    const vec e = exponential(-absolute(z));
    const vec one = broadcast(1);
    return select_lanes(MASK(z >= broadcast(0)), one, e) / (one + e);
}

/* tanh |z| = -m / (m + 2), m = e^(-2|z|) - 1: nothing overflows and small z keep their digits. */
INLINE vec hyperbolic_tangent(vec z) {
    const vec m = expm1_negative((real)-2 * absolute(z));
    const vec t = -m / (m + (real)2);
    return from_bits(to_bits(absolute(t)) | sign_bit(z));
}

/* max(z, 0) + log(1 + e^-|z|) */
INLINE vec softplus(vec z) {
    return at_least(0, z) + log1p_unit(exponential(-absolute(z)));
}

#endif
