/* The last columns of a dense product, where they fill at most half a vector.

   C (m, n) = Σ_k A[i, k] B[k, j] has vectors of columns in tiles (dense.h); of 100 columns and 16 lanes
   the seventh vector would be three quarters padding. So its columns are summed with rows of C in the
   lanes instead: LANES rows and t columns take t multiply-adds for each k, not LANES. A's numbers of one
   k must lie in a vector. In the outer product they do, A being xᵀ; forward transposes squares of x in
   registers: 64 exchanges for 16 · 16 numbers, against (16 − t) · 16 multiply-adds saved.

   Each element is the same chain of multiply-adds as in a tile. */

#ifndef FASTNN_TAILS_H
#define FASTNN_TAILS_H

#include "repeat.h"
#include "vector.h"

#if !defined(GNU_C)
#define MOST_TAIL_COLUMNS 1
#elif N_LANES == 16
#define MOST_TAIL_COLUMNS 8
#elif N_LANES == 8
#define MOST_TAIL_COLUMNS 4
#elif N_LANES == 4
#define MOST_TAIL_COLUMNS 2
#else
#define MOST_TAIL_COLUMNS 1
#endif

struct tail_sums {
    ptrdiff_t a_row, a_term, b_term, c_row;
    const real *a, *b;
    const real *bias; /* or NULL */
    real *c;
    ptrdiff_t n_terms;
    real scale;
    int add; /* C += scale · sum, else C = sum + bias */
};

INLINE void add_tail_terms(vec *sum, const vec *a, const real *b, ptrdiff_t b_term, const int columns,
                           const int terms) {
    UNROLL for (int k = 0; k < terms; k++)
        UNROLL for (int j = 0; j < columns; j++) sum[j] += a[k] * broadcast(b[k * b_term + j]);
}

/* LANES rows of C; where squares of A are transposed, B's columns lie without a gap. columns and unit
   (whether A's rows are neighbours) are constants where this is inlined. */
INLINE void sum_tail(const struct tail_sums *s, const int columns, const int unit) {
    vec sum[sizeof(vec) / sizeof(real)], a[sizeof(vec) / sizeof(real)];
    ptrdiff_t k = 0;
    for (int j = 0; j < columns; j++) sum[j] = broadcast(0);
    if (unit) {
        for (; k < s->n_terms; k++) {
            a[0] = load(s->a + k * s->a_term);
            add_tail_terms(sum, a, s->b + k * s->b_term, 0, columns, 1);
        }
    } else {
        for (; k + LANES <= s->n_terms; k += LANES) {
            load_transposed(a, s->a + k, s->a_row);
            add_tail_terms(sum, a, s->b + k * columns, columns, columns, LANES);
        }
        for (; k < s->n_terms; k++) {
            real of_rows[sizeof(vec) / sizeof(real)];
            for (int i = 0; i < LANES; i++) of_rows[i] = s->a[i * s->a_row + k];
            a[0] = load(of_rows);
            add_tail_terms(sum, a, s->b + k * columns, 0, columns, 1);
        }
    }
    for (int j = columns; j < LANES; j++) sum[j] = broadcast(0);
    transpose_square(sum);
    const vec scale = broadcast(s->scale);
    for (int i = 0; i < LANES; i++) {
        real *const c = s->c + i * s->c_row;
        vec v = sum[i];
        if (s->add) {
            v = load(c) + scale * v;
        } else if (s->bias) {
            v += load(s->bias);
        }
        store(c, keep_lanes(first_lanes(columns), v));
    }
}

typedef void tail_function(const struct tail_sums *s);

#define TAIL(COLUMNS, X) \
    static void tail_##COLUMNS(const struct tail_sums *s) { sum_tail(s, COLUMNS, 0); } \
    static void unit_tail_##COLUMNS(const struct tail_sums *s) { sum_tail(s, COLUMNS, 1); }
#define TAIL_ENTRY(COLUMNS, X) {tail_##COLUMNS, unit_tail_##COLUMNS},
UP_TO(MOST_TAIL_COLUMNS)(TAIL, )

/* By columns; the second of a pair is for neighbouring rows of A. */
static tail_function *const TAILS[MOST_TAIL_COLUMNS][2] = {UP_TO(MOST_TAIL_COLUMNS)(TAIL_ENTRY, )};

/* How many of the last columns of n are summed here; of fewer rows than lanes none are. */
INLINE ptrdiff_t tail_columns(ptrdiff_t n_columns, ptrdiff_t n_rows) {
    const ptrdiff_t columns = n_columns % LANES;
    return n_rows >= LANES && columns <= MOST_TAIL_COLUMNS ? columns : 0;
}

#endif
