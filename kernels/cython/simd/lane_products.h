/* Dense products of many small networks, a model in each lane.

   A number of a matrix is a vector here, with one number of each model: x[i, k] of LANES models lie side
   by side, then x[i, k + 1]. So no product is between a vector and a broadcast number, no vector is
   partly empty, and layers may be as narrow as they like:

       forward    C = out             A = x        B = weight
       outer      C = weight_grad     A = xᵀ       B = delta
       backward   C = delta below     A = delta    B = weightᵀ

   A tile of r rows by c columns takes, for one k, r + c loads for its r · c multiply-adds. As in dense.h,
   every element of C is one chain of multiply-adds in the order of k, to which the bias is added last:
   the bits of a model are those that it has alone. */

#ifndef FASTNN_LANE_PRODUCTS_H
#define FASTNN_LANE_PRODUCTS_H

#include "activation.h"
#include "repeat.h"

#define LANE_COLUMNS 4
#define MOST_LANE_ROWS 14

/* Strides, in vectors, of A along i and k, of B along k and j, and of C along i. */
struct lane_product {
    ptrdiff_t n_rows, n_terms;
    ptrdiff_t a_row, a_term, b_term, b_column, c_row;
};

/* rows and columns are constants where this is inlined. */
INLINE void lane_tile(struct lane_product p, const real *a, const real *b, const real *bias,
                      real *c, const int rows, const int columns) {
    vec sum[MOST_LANE_ROWS][LANE_COLUMNS];
    UNROLL for (int i = 0; i < rows; i++)
        UNROLL for (int j = 0; j < columns; j++) sum[i][j] = broadcast(0);
    for (ptrdiff_t k = 0; k < p.n_terms; k++) {
        vec b_k[LANE_COLUMNS];
        UNROLL for (int j = 0; j < columns; j++) b_k[j] = load(b + j * p.b_column * LANES);
        UNROLL for (int i = 0; i < rows; i++) {
            const vec a_ik = load(a + i * p.a_row * LANES);
            UNROLL for (int j = 0; j < columns; j++) sum[i][j] += a_ik * b_k[j];
        }
        a += p.a_term * LANES;
        b += p.b_term * LANES;
    }
    if (bias)
        UNROLL for (int j = 0; j < columns; j++) {
            const vec bias_j = loaded(load(bias + j * LANES));
            UNROLL for (int i = 0; i < rows; i++) sum[i][j] += bias_j;
        }
    UNROLL for (int i = 0; i < rows; i++)
        UNROLL for (int j = 0; j < columns; j++) store(c + (i * p.c_row + j) * LANES, sum[i][j]);
}

/* Some columns of C, for all rows. */
#define LANE_TILE(ROWS, COLUMNS) \
    case ROWS: lane_tile(p, a, b, bias, c, ROWS, COLUMNS); break;
#define LANE_PANEL(COLUMNS, ROWS) \
    static void lane_panel_##COLUMNS(struct lane_product p, const real *a, const real *b, \
                                     const real *bias, real *c) { \
        for (; p.n_rows >= ROWS; p.n_rows -= ROWS) { \
            lane_tile(p, a, b, bias, c, ROWS, COLUMNS); \
            a += ROWS * p.a_row * LANES; \
            c += ROWS * p.c_row * LANES; \
        } \
        switch (p.n_rows) { UP_TO(ROWS)(LANE_TILE, COLUMNS) } \
    }
LANE_PANEL(1, LANE_ROWS_1)
LANE_PANEL(2, LANE_ROWS_2)
LANE_PANEL(3, LANE_ROWS_3)
LANE_PANEL(4, LANE_ROWS_4)

static void lane_product(struct lane_product p, ptrdiff_t n_columns, const real *a, const real *b,
                         const real *bias, real *c) {
    static void (*const panels[])(struct lane_product p, const real *a, const real *b,
                                  const real *bias, real *c) = {lane_panel_1, lane_panel_2,
                                                                lane_panel_3, lane_panel_4};
    const ptrdiff_t n_panels = (n_columns + LANE_COLUMNS - 1) / LANE_COLUMNS;
    for (ptrdiff_t t = 0; t < n_panels; t++) {
        const ptrdiff_t j = n_columns * t / n_panels, next = n_columns * (t + 1) / n_panels;
        panels[next - j - 1](p, a, b + j * p.b_column * LANES, bias ? bias + j * LANES : NULL,
                             c + j * LANES);
    }
}

static void forward_lanes(ptrdiff_t n_rows, ptrdiff_t n_in, ptrdiff_t n_out, const void *x,
                          const void *weight, const struct epilogue *epilogue, void *out) {
    const struct lane_product p = {.n_rows = n_rows, .n_terms = n_in, .a_row = n_in, .a_term = 1, .b_term = n_out,
                                   .b_column = 1, .c_row = n_out};
    lane_product(p, n_out, x, weight, epilogue->bias, out);
    finish(epilogue, 1, n_rows * n_out * LANES, out, out, 0);
}

static void outer_lanes(ptrdiff_t n_rows, ptrdiff_t n_in, ptrdiff_t n_out, const void *x,
                        const void *delta, void *out) {
    const struct lane_product p = {.n_rows = n_in, .n_terms = n_rows, .a_row = 1, .a_term = n_in, .b_term = n_out,
                                   .b_column = 1, .c_row = n_out};
    lane_product(p, n_out, x, delta, NULL, out);
}

static void backward_lanes(ptrdiff_t n_rows, ptrdiff_t n_in, ptrdiff_t n_out, const void *delta,
                           const void *weight, enum activation activation, const void *y, void *out) {
    const struct lane_product p = {.n_rows = n_rows, .n_terms = n_out, .a_row = n_out, .a_term = 1, .b_term = 1,
                                   .b_column = n_out, .c_row = n_in};
    lane_product(p, n_in, delta, weight, NULL, out);
    derive(activation, 1, n_rows * n_in * LANES, y, 0, out, 0);
}

/* Sums of delta's rows; columns go side by side, so that no addition waits for the one before. */
INLINE void sum_columns(ptrdiff_t n_rows, ptrdiff_t n_out, const real *delta, real *out,
                        const int columns) {
    vec sum[LANE_COLUMNS];
    UNROLL for (int j = 0; j < columns; j++) sum[j] = broadcast(0);
    for (ptrdiff_t i = 0; i < n_rows; i++)
        UNROLL for (int j = 0; j < columns; j++) sum[j] += load(delta + (i * n_out + j) * LANES);
    UNROLL for (int j = 0; j < columns; j++) store(out + j * LANES, sum[j]);
}

static void column_sums_lanes(ptrdiff_t n_rows, ptrdiff_t n_out, const void *delta, void *out) {
    const real *from = delta;
    real *to = out;
    ptrdiff_t n = n_out;
    for (; n >= LANE_COLUMNS; n -= LANE_COLUMNS) {
        sum_columns(n_rows, n_out, from, to, LANE_COLUMNS);
        from += LANE_COLUMNS * LANES;
        to += LANE_COLUMNS * LANES;
    }
    switch (n) {
    case 3: sum_columns(n_rows, n_out, from, to, 3); break;
    case 2: sum_columns(n_rows, n_out, from, to, 2); break;
    case 1: sum_columns(n_rows, n_out, from, to, 1); break;
    }
}

#endif
