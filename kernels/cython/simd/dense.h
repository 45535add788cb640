/* Dense products by register tiles.

   All three products of a layer are one loop nest, C (m, n) = Σ_k A[i, k] B[k, j], over tiles of C
   that stay in registers while k runs to its end:

       forward    C = out             A = x        B = weight
       outer      C = weight_grad     A = xᵀ       B = delta
       backward   C = delta below     A = delta    B = weightᵀ

   A tile of ROWS × 2 vectors takes, for one k, 2 loads of B and ROWS broadcasts of A for its 2 · ROWS
   multiply-adds; so many independent sums hide the latency of the adder. A is read in place with any
   strides, B in place too, but for backward a panel of 2 vectors of columns is transposed first. Every
   element of C is one chain of multiply-adds in the order of k, whichever tile it falls into: results
   do not depend on how the matrix is cut. */

#ifndef FASTNN_DENSE_H
#define FASTNN_DENSE_H

#include "vector.h"

/* Rows of a tile: accumulators, two vectors of B and one of A fit the registers. */
#if defined(__AVX512F__) || defined(__aarch64__)
#define TILE_ROWS 14 /* of 32 registers */
#elif defined(__AVX2__)
#define TILE_ROWS 6 /* of 16 */
#else
#define TILE_ROWS 4 /* of 16, and multiplying takes one more without a fused multiply-add */
#endif

#define TILE_VECTORS 2
#define TILE_COLUMNS (TILE_VECTORS * LANES)

#if defined(__GNUC__)
#define UNROLL _Pragma("GCC unroll 16")
#else
#define UNROLL
#endif

/* What a product does, its tiles aside. */
struct product {
    ptrdiff_t n_terms;
    ptrdiff_t a_row, a_term; /* strides of A along i and k */
    ptrdiff_t b_term;        /* stride of B along k */
    ptrdiff_t c_row;
    const real *bias; /* by column, or NULL */
    real scale;
    int accumulate; /* C += scale · sum, else C = sum + bias */
};

/* One tile; `tail` masks its last vector, so that padding columns stay zero. */
INLINE void tile(const struct product *p, const real *a, const real *b, real *c, const real *bias,
                 bits tail, const int rows, const int columns) {
    vec sum[TILE_ROWS][TILE_VECTORS];
    UNROLL for (int i = 0; i < rows; i++)
        UNROLL for (int j = 0; j < columns; j++) sum[i][j] = broadcast(0);
    for (ptrdiff_t k = 0; k < p->n_terms; k++) {
        vec b_k[TILE_VECTORS];
        UNROLL for (int j = 0; j < columns; j++) b_k[j] = load(b + j * LANES);
        UNROLL for (int i = 0; i < rows; i++) {
            const vec a_ik = broadcast(a[i * p->a_row]);
            UNROLL for (int j = 0; j < columns; j++) sum[i][j] += a_ik * b_k[j];
        }
        a += p->a_term;
        b += p->b_term;
    }
    UNROLL for (int i = 0; i < rows; i++)
        UNROLL for (int j = 0; j < columns; j++) {
            real *const to = c + i * p->c_row + j * LANES;
            vec value = sum[i][j];
            if (p->accumulate)
                value = load(to) + p->scale * value;
            else if (bias)
                value += load(bias + j * LANES);
            store(to, j == columns - 1 ? keep_lanes(tail, value) : value);
        }
}

typedef void tile_function(const struct product *p, const real *a, const real *b, real *c,
                           const real *bias, bits tail);

#define TILES(ROWS) \
    static void tile_##ROWS##x1(const struct product *p, const real *a, const real *b, real *c, \
                                const real *bias, bits tail) { \
        tile(p, a, b, c, bias, tail, ROWS, 1); \
    } \
    static void tile_##ROWS##x2(const struct product *p, const real *a, const real *b, real *c, \
                                const real *bias, bits tail) { \
        tile(p, a, b, c, bias, tail, ROWS, 2); \
    }
#define PAIR(ROWS) {tile_##ROWS##x1, tile_##ROWS##x2}

TILES(1) TILES(2) TILES(3) TILES(4)
#if TILE_ROWS > 4
TILES(5) TILES(6)
#endif
#if TILE_ROWS > 6
TILES(7) TILES(8) TILES(9) TILES(10) TILES(11) TILES(12) TILES(13) TILES(14)
#endif

static tile_function *const TILE[TILE_ROWS][TILE_VECTORS] = {
    PAIR(1), PAIR(2), PAIR(3), PAIR(4),
#if TILE_ROWS > 4
    PAIR(5), PAIR(6),
#endif
#if TILE_ROWS > 6
    PAIR(7), PAIR(8), PAIR(9), PAIR(10), PAIR(11), PAIR(12), PAIR(13), PAIR(14),
#endif
};

/* One panel of at most two vectors of columns, cut into tiles of nearly equal height. */
static void panel_product(const struct product *p, ptrdiff_t n_rows, ptrdiff_t n_columns,
                          const real *a, const real *b, real *c, const real *bias) {
    const int columns = n_columns > LANES ? 2 : 1;
    const bits tail = first_lanes(n_columns - (columns - 1) * LANES);
    const ptrdiff_t n_tiles = (n_rows + TILE_ROWS - 1) / TILE_ROWS;
    for (ptrdiff_t t = 0; t < n_tiles; t++) {
        const ptrdiff_t first = n_rows * t / n_tiles, last = n_rows * (t + 1) / n_tiles;
        TILE[last - first - 1][columns - 1](p, a + first * p->a_row, b, c + first * p->c_row, bias,
                                            tail);
    }
}

static void product(const struct product *p, ptrdiff_t n_rows, ptrdiff_t n_columns, const real *a,
                    const real *b, real *c) {
    for (ptrdiff_t j = 0; j < n_columns; j += TILE_COLUMNS)
        panel_product(p, n_rows, n_columns - j < TILE_COLUMNS ? n_columns - j : TILE_COLUMNS, a,
                      b + j, c + j, p->bias ? p->bias + j : NULL);
}

static void forward(ptrdiff_t n_rows, ptrdiff_t n_in, ptrdiff_t n_out, const void *x,
                    ptrdiff_t x_row, const void *weight, ptrdiff_t weight_row, const void *bias,
                    void *out, ptrdiff_t out_row) {
    const struct product p = {.n_terms = n_in, .a_row = x_row, .a_term = 1, .b_term = weight_row,
                              .c_row = out_row, .bias = bias};
    product(&p, n_rows, n_out, x, weight, out);
}

static void outer(ptrdiff_t n_rows, ptrdiff_t n_in, ptrdiff_t n_out, const void *x,
                  ptrdiff_t x_row, const void *delta, ptrdiff_t delta_row, double scale, void *out,
                  ptrdiff_t out_row) {
    const struct product p = {.n_terms = n_rows, .a_row = 1, .a_term = x_row, .b_term = delta_row,
                              .c_row = out_row, .scale = (real)scale, .accumulate = 1};
    product(&p, n_in, n_out, x, delta, out);
}

static void backward(ptrdiff_t n_rows, ptrdiff_t n_in, ptrdiff_t n_out, const void *delta,
                     ptrdiff_t delta_row, const void *weight, ptrdiff_t weight_row, void *panel,
                     void *out, ptrdiff_t out_row) {
    const struct product p = {.n_terms = n_out, .a_row = delta_row, .a_term = 1,
                              .b_term = TILE_COLUMNS, .c_row = out_row};
    real *const transposed = panel;
    for (ptrdiff_t j = 0; j < n_in; j += TILE_COLUMNS) {
        const ptrdiff_t columns = n_in - j < TILE_COLUMNS ? n_in - j : TILE_COLUMNS;
        const real *const rows = (const real *)weight + j * weight_row;
        for (ptrdiff_t k = 0; k < n_out; k++) {
            for (ptrdiff_t i = 0; i < columns; i++)
                transposed[k * TILE_COLUMNS + i] = rows[i * weight_row + k];
            for (ptrdiff_t i = columns; i < TILE_COLUMNS; i++)
                transposed[k * TILE_COLUMNS + i] = 0;
        }
        panel_product(&p, n_rows, columns, delta, transposed, (real *)out + j, NULL);
    }
}

/* Sums of delta's columns, a vector of columns at a time. */
static void column_sums(ptrdiff_t n_rows, ptrdiff_t n_out, const void *delta, ptrdiff_t delta_row,
                        double scale, void *out) {
    for (ptrdiff_t j = 0; j < n_out; j += LANES) {
        const real *const column = (const real *)delta + j;
        real *const to = (real *)out + j;
        vec sum = broadcast(0);
        for (ptrdiff_t i = 0; i < n_rows; i++) sum += load(column + i * delta_row);
        store(to, keep_lanes(first_lanes(n_out - j), load(to) + (real)scale * sum));
    }
}

#endif
