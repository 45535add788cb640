/* A vector of numbers, whatever the instruction set: what it prefers is said in targets/.

   `real` is float or double (FASTNN_DOUBLE), `vec` holds LANES of them, `bits` and `words` as many
   integers of the same width, with and without a sign, `masks` 64-bit words; the arithmetic operators
   work lane by lane. GCC and Clang compile vector types for any target; for other compilers a vector is
   one number. A comparison, wrapped in MASK, gives lanes of all ones or all zeros. */

#ifndef FASTNN_VECTOR_H
#define FASTNN_VECTOR_H

#include <math.h>
#include <string.h>

#include "compiler.h"
#include "kernels.h"

#ifdef FASTNN_DOUBLE
typedef double real;
typedef int64_t integer;
typedef uint64_t word;
#else
typedef float real;
typedef int32_t integer;
typedef uint32_t word;
#endif

#if defined(GNU_C)
#define INLINE static inline __attribute__((always_inline))
#else
#define INLINE static inline
#endif

/* targets/avx2.h or its like: setup.py says which */
#define TEXT(WORDS) #WORDS
#define TARGET_HEADER(NAME) TEXT(targets/NAME.h)
#include TARGET_HEADER(FASTNN_TARGET)

#if defined(GNU_C)

typedef real vec __attribute__((vector_size(VECTOR_BYTES)));
typedef integer bits __attribute__((vector_size(VECTOR_BYTES)));
typedef word words __attribute__((vector_size(VECTOR_BYTES)));
typedef uint64_t masks __attribute__((vector_size(VECTOR_BYTES)));

#define LANES ((ptrdiff_t)(VECTOR_BYTES / sizeof(real)))
#define MASK(condition) (condition)
#define RESTRICT __restrict__
/* Clang takes GCC's pragma too, but then unrolls too late for arrays to become registers. */
#if defined(__clang__)
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 16")
#endif

/* x - 0 is x for every x (x + 0 would lose the sign of -0), so compilers make it a broadcast. */
INLINE vec broadcast(real x) { return x - (vec){0}; }
INLINE bits broadcast_bits(integer x) { return x - (bits){0}; }

#else

#define LANES ((ptrdiff_t)1)
#define MASK(condition) (-(bits)(condition))
#define RESTRICT __restrict
#define UNROLL

typedef real vec;
typedef integer bits;
typedef word words;
typedef uint64_t masks;

INLINE vec broadcast(real x) { return x; }
INLINE bits broadcast_bits(integer x) { return x; }

#endif

/* Where there is no other way to an instruction: X86(max) is max_ps or max_pd of the target's width. */
#if defined(X86_PREFIX)
#define JOIN(A, B, C) A##B##C
#define JOINED(A, B, C) JOIN(A, B, C)
#ifdef FASTNN_DOUBLE
#define X86(NAME) JOINED(X86_PREFIX, NAME, _pd)
typedef JOINED(X86_TYPE, d, ) xvec;
#else
#define X86(NAME) JOINED(X86_PREFIX, NAME, _ps)
typedef X86_TYPE xvec;
#endif
#endif

INLINE vec load(const real *p) {
    vec v;
    memcpy(&v, p, sizeof v);
    return v;
}

/* A vector that several operations use stays loaded; else compilers load it again for each of them. */
INLINE vec loaded(vec v) {
#if defined(VECTOR_REGISTER)
    __asm__("" : VECTOR_REGISTER(v));
#endif
    return v;
}

INLINE void store(real *p, vec v) { memcpy(p, &v, sizeof v); }

INLINE bits to_bits(vec v) {
    bits b;
    memcpy(&b, &v, sizeof b);
    return b;
}

INLINE vec from_bits(bits b) {
    vec v;
    memcpy(&v, &b, sizeof v);
    return v;
}

INLINE vec select_lanes(bits mask, vec yes, vec no) {
    return from_bits((to_bits(yes) & mask) | (to_bits(no) & ~mask));
}

INLINE vec keep_lanes(bits mask, vec v) { return from_bits(to_bits(v) & mask); }

INLINE bits sign_bit(vec v) { return to_bits(v) & to_bits(broadcast((real)-0.0)); }

INLINE vec absolute(vec v) { return from_bits(to_bits(v) & ~to_bits(broadcast((real)-0.0))); }

/* v, or the limit where v is beyond it; NaN stays NaN, for which x86's instructions return the second
   operand. */
#if defined(X86_PREFIX)
INLINE vec at_most(real limit, vec v) { return (vec)X86(min)((xvec)broadcast(limit), (xvec)v); }
INLINE vec at_least(real limit, vec v) { return (vec)X86(max)((xvec)broadcast(limit), (xvec)v); }
#else
INLINE vec at_most(real limit, vec v) {
    return select_lanes(MASK(v > broadcast(limit)), broadcast(limit), v);
}
INLINE vec at_least(real limit, vec v) {
    return select_lanes(MASK(v < broadcast(limit)), broadcast(limit), v);
}
#endif

/* The larger lane by lane; a NaN in either stays NaN, as in numpy.maximum. */
INLINE vec maximum(vec a, vec b) { return select_lanes(MASK(a > b) | MASK(a != a), a, b); }

INLINE vec square_root(vec v) {
    real lane[sizeof(vec) / sizeof(real)];
    memcpy(lane, &v, sizeof v);
    for (ptrdiff_t i = 0; i < LANES; i++) {
#ifdef FASTNN_DOUBLE
        lane[i] = sqrt(lane[i]);
#else
        lane[i] = sqrtf(lane[i]);
#endif
    }
    memcpy(&v, lane, sizeof v);
    return v;
}

/* Lanes 0 … n - 1 of a vector; all of them if n is larger, none if it is negative. */
INLINE bits first_lanes(ptrdiff_t n) {
    static const integer count[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    bits lane;
    memcpy(&lane, count, sizeof lane);
    return MASK(lane < broadcast_bits((integer)(n < LANES ? n : LANES)));
}

INLINE real first_lane(vec v) {
    real lane;
    memcpy(&lane, &v, sizeof lane);
    return lane;
}

/* Sum and maximum over the lanes, by halves; the maximum of lanes with a NaN is NaN. `loaded`, because
   GCC else keeps what a loop sums up in `lane` while the loop runs. */
INLINE real sum_lanes(vec v) {
    real lane[sizeof(vec) / sizeof(real)];
    v = loaded(v);
    memcpy(lane, &v, sizeof v);
    for (ptrdiff_t half = LANES / 2; half; half /= 2)
        for (ptrdiff_t i = 0; i < half; i++) lane[i] += lane[i + half];
    return lane[0];
}

/* The same of the numbers in each lane of LANES vectors. */
#define ADD_HALF(HALF) \
    if (LANES > (HALF)) UNROLL for (int i = 0; i < (HALF); i++) v[i] += v[i + (HALF)];
INLINE vec sum_vectors(vec *v) {
    ADD_HALF(8)
    ADD_HALF(4)
    ADD_HALF(2)
    ADD_HALF(1)
    return v[0];
}
#undef ADD_HALF

INLINE real max_lanes(vec v) {
    real lane[sizeof(vec) / sizeof(real)];
    v = loaded(v);
    memcpy(lane, &v, sizeof v);
    for (ptrdiff_t half = LANES / 2; half; half /= 2)
        for (ptrdiff_t i = 0; i < half; i++) {
            const real a = lane[i], b = lane[i + half];
            lane[i] = a > b || a != a ? a : b;
        }
    return lane[0];
}

/* Transpose LANES vectors of LANES numbers: squares as wide as 16 bytes first, where processors exchange
   numbers in one instruction, then these as blocks. */
#if !defined(GNU_C)
INLINE void transpose_square(vec *rows) { (void)rows; }
INLINE void load_transposed(vec *rows, const real *p, ptrdiff_t row) { (void)row, rows[0] = load(p); }
#else

#if defined(FASTNN_DOUBLE)
#define NUMBER_BYTES 8
#else
#define NUMBER_BYTES 4
#endif
#define N_LANES (VECTOR_BYTES / NUMBER_BYTES)
#define BLOCK (16 / NUMBER_BYTES) /* numbers in 16 bytes */

/* Numbers F(0), F(1), … of a vector, of the 2 · N_LANES of a and b. */
#define INDICES_2(F, X, AT) F(X, AT), F(X, AT + 1)
#define INDICES_4(F, X, AT) INDICES_2(F, X, AT), INDICES_2(F, X, AT + 2)
#define INDICES_8(F, X, AT) INDICES_4(F, X, AT), INDICES_4(F, X, AT + 4)
#define INDICES_16(F, X, AT) INDICES_8(F, X, AT), INDICES_8(F, X, AT + 8)
#if N_LANES == 16
#define INDICES INDICES_16
#elif N_LANES == 8
#define INDICES INDICES_8
#elif N_LANES == 4
#define INDICES INDICES_4
#else
#define INDICES INDICES_2
#endif
#if defined(__clang__)
#define SHUFFLE(a, b, F, X) __builtin_shufflevector(a, b, INDICES(F, X, 0))
#else
#define SHUFFLE(a, b, F, X) __builtin_shuffle(a, b, (bits){INDICES(F, X, 0)})
#endif

/* Of each 16 bytes the first (0) or second half (1) of the numbers of a and b, in turn; halves of 8 bytes,
   a's then b's; and blocks of `size` numbers, every other one of a, then b's. */
#define IN_TURN(HALF, J) \
    ((J) / BLOCK * BLOCK + (J) % BLOCK / 2 + (HALF) * BLOCK / 2 + (J) % 2 * N_LANES)
#define PAIR(HALF, J) ((J) / 4 * 4 + (J) % 2 + 2 * (HALF) + (J) % 4 / 2 * N_LANES)
#define EVEN_BLOCKS(SIZE, J) ((J) & (SIZE) ? N_LANES + (J) - (SIZE) : (J))
#define ODD_BLOCKS(SIZE, J) ((J) & (SIZE) ? N_LANES + (J) : (J) + (SIZE))

#define EXCHANGE_BLOCKS(SIZE) \
    UNROLL for (int i = 0; i < N_LANES; i++) { \
        if (i & (SIZE)) continue; \
        const vec a = rows[i], b = rows[i + (SIZE)]; \
        rows[i] = SHUFFLE(a, b, EVEN_BLOCKS, SIZE); \
        rows[i + (SIZE)] = SHUFFLE(a, b, ODD_BLOCKS, SIZE); \
    }

/* BLOCK vectors: the squares that lie in the same 16 bytes of all. */
INLINE void transpose_blocks(vec *rows) {
    UNROLL for (int i = 0; i < BLOCK; i += 2) {
        const vec a = rows[i], b = rows[i + 1];
        rows[i] = SHUFFLE(a, b, IN_TURN, 0);
        rows[i + 1] = SHUFFLE(a, b, IN_TURN, 1);
    }
#if NUMBER_BYTES == 4
    const vec a = rows[0], b = rows[1], c = rows[2], d = rows[3];
    rows[0] = SHUFFLE(a, c, PAIR, 0);
    rows[1] = SHUFFLE(a, c, PAIR, 1);
    rows[2] = SHUFFLE(b, d, PAIR, 0);
    rows[3] = SHUFFLE(b, d, PAIR, 1);
#endif
}

INLINE void exchange_blocks(vec *rows) {
    (void)rows;
#if N_LANES > BLOCK
    EXCHANGE_BLOCKS(BLOCK)
#endif
#if N_LANES > 2 * BLOCK
    EXCHANGE_BLOCKS(2 * BLOCK)
#endif
}

INLINE void transpose_square(vec *rows) {
    UNROLL for (int i = 0; i < N_LANES; i += BLOCK) transpose_blocks(rows + i);
    exchange_blocks(rows);
}

/* The square whose rows lie `row` numbers apart, transposed; a block is done as soon as it is loaded, so
   that the square fits the registers. */
INLINE void load_transposed(vec *rows, const real *p, ptrdiff_t row) {
    UNROLL for (int i = 0; i < N_LANES; i += BLOCK) {
        UNROLL for (int j = 0; j < BLOCK; j++) rows[i + j] = load(p + j * row);
        transpose_blocks(rows + i);
        p += BLOCK * row;
    }
    exchange_blocks(rows);
}
#endif

/* How many vectors cover n numbers. */
INLINE ptrdiff_t vectors(ptrdiff_t n) { return (n + LANES - 1) / LANES; }

#endif
