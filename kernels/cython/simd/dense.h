/* Dense products by register tiles.

   All three products of a layer are one loop nest, C (m, n) = Σ_k A[i, k] B[k, j], over tiles of C
   that stay in registers while k runs:

       forward    C = out             A = x        B = weight
       outer      C = weight_grad     A = xᵀ       B = delta
       backward   C = delta below     A = delta    B = weightᵀ

   A tile of r rows by v vectors takes, for one k, v loads of B and r broadcasts of A for its r · v
   multiply-adds: enough independent sums to hide the adder's latency, few enough to stay in registers.
   The columns of B are divided into panels of the width of a tile. Where a panel is read by several
   tiles and its rows lie far apart, it is copied to contiguous scratch memory, which avoids bad strides
   and touches few pages; how many rows and how far (COPIED_ROWS, COPIED_BYTES), the target says. The
   source is scattered, which hardware prefetchers do not handle, so the next panel is prefetched while
   one is copied. For backward, panels are transposed there.
   k runs in slices, so that a slice of the panel stays near for all rows. A is read in place,
   except in the outer product, where each number of a row would be on another page: some targets copy
   it in blocks.

   Every element of C is one chain of multiply-adds in the order of k, in whichever tile it is:
   results do not depend on how the matrices are divided. */

#ifndef FASTNN_DENSE_H
#define FASTNN_DENSE_H

#include "activation.h"
#include "groups.h"
#include "input.h"
#include "repeat.h"
#include "tails.h"

#define MOST_TILE_ROWS 14

/* What a product does, its tiles aside. */
struct product {
    ptrdiff_t a_row, a_term; /* strides of A along i and k */
    ptrdiff_t b_term;        /* stride of B along k */
    ptrdiff_t c_row;
    const struct epilogue *epilogue; /* forward's, or NULL */
    const real *out;                 /* where all of C begins */
    const struct upcoming *next;     /* forward's, for the first panel, or NULL */
    real scale;
    int add; /* C += scale · sum, else C = sum + bias */
};

/* One slice of one tile's sums. */
struct slice {
    const real *a, *b;
    real *c;
    const real *bias; /* NULL before the last slice */
    ptrdiff_t n_terms;
    const struct upcoming *next; /* rows [row, …) of it are fetched, terms [from, …), or NULL */
    ptrdiff_t row, from;
    bits tail;  /* masks the last vector, so that padding columns stay zero */
    int resume; /* go on from the sums that an earlier slice left in C */
};

/* Ask for a line that is about to be changed; it arrives while the tile is being summed. */
INLINE void prefetch_for_write(const void *p) {
#if defined(GNU_C)
    __builtin_prefetch(p, 1, 3);
#else
    (void)p;
#endif
}

INLINE void prefetch_into_l2(const void *p) {
#if defined(GNU_C)
    __builtin_prefetch(p, 0, 2);
#else
    (void)p;
#endif
}

/* Terms between which the next rows are prefetched: a thousand lines at once would stop the loads, and
   take the time they are to save. */
#define CHUNK_TERMS 32

#define EACH_VECTOR \
    UNROLL for (int i = 0; i < rows; i++) UNROLL for (int j = 0; j < columns; j++)

/* rows, columns (in vectors) and unit (whether A's rows are neighbours) are constants where this is
   inlined. Rows of A are addressed from every third one: more pointers than that do not fit. */
INLINE void tile(const struct product *p, const struct slice *s, const int rows, const int columns,
                 const int unit) {
    vec sum[MOST_TILE_ROWS][TILE_VECTORS];
    const real *a[(MOST_TILE_ROWS + 2) / 3];
    const ptrdiff_t a_row = unit ? 1 : p->a_row, a_term = unit ? p->a_term : 1;
    const real *b = s->b;
    UNROLL for (int g = 0; g < (rows + 2) / 3; g++) a[g] = s->a + 3 * g * a_row;
    real *const c = s->c;
    const ptrdiff_t c_row = p->c_row, b_term = p->b_term;
    if (s->resume) {
        EACH_VECTOR sum[i][j] = load(c + i * c_row + j * LANES);
    } else {
        EACH_VECTOR {
            prefetch_for_write(c + i * c_row + j * LANES);
            sum[i][j] = broadcast(0);
        }
    }
    for (ptrdiff_t begin = 0; begin < s->n_terms; begin += CHUNK_TERMS) {
        const ptrdiff_t end = s->n_terms - begin < CHUNK_TERMS ? s->n_terms : begin + CHUNK_TERMS;
        if (!unit && s->next)
            prefetch_rows(s->next, s->row, s->row + rows, s->from + begin, s->from + end);
        for (ptrdiff_t k = begin * a_term; k < end * a_term; k += a_term) {
            vec b_k[TILE_VECTORS];
            UNROLL for (int j = 0; j < columns; j++) b_k[j] = load(b + j * LANES);
            UNROLL for (int i = 0; i < rows; i++) {
                const vec a_ik = broadcast(unit ? a[0][k + i] : a[i / 3][k + i % 3 * a_row]);
                UNROLL for (int j = 0; j < columns; j++) sum[i][j] += a_ik * b_k[j];
            }
            b += b_term;
        }
    }
    if (p->add) {
        const vec scale = broadcast(p->scale);
        EACH_VECTOR sum[i][j] = load(c + i * c_row + j * LANES) + scale * sum[i][j];
    } else if (s->bias) {
        EACH_VECTOR sum[i][j] += load(s->bias + j * LANES);
    }
    UNROLL for (int i = 0; i < rows; i++)
        sum[i][columns - 1] = keep_lanes(s->tail, sum[i][columns - 1]);
    EACH_VECTOR store(c + i * c_row + j * LANES, sum[i][j]);
}

typedef void tile_function(const struct product *p, const struct slice *s);

#define TILE(ROWS, VECTORS) \
    static void tile_##ROWS##x##VECTORS(const struct product *p, const struct slice *s) { \
        tile(p, s, ROWS, VECTORS, 0); \
    } \
    static void unit_tile_##ROWS##x##VECTORS(const struct product *p, const struct slice *s) { \
        tile(p, s, ROWS, VECTORS, 1); \
    }
#define ENTRY(ROWS, VECTORS) {tile_##ROWS##x##VECTORS, unit_tile_##ROWS##x##VECTORS},

/* The target says how wide tiles are, and how many rows those of each width have at most. */
UP_TO(TILE_ROWS_1)(TILE, 1)
UP_TO(TILE_ROWS_2)(TILE, 2)
#if TILE_VECTORS > 2
UP_TO(TILE_ROWS_3)(TILE, 3)
UP_TO(TILE_ROWS_4)(TILE, 4)
static const int MOST_ROWS[] = {TILE_ROWS_1, TILE_ROWS_2, TILE_ROWS_3, TILE_ROWS_4};
#else
static const int MOST_ROWS[] = {TILE_ROWS_1, TILE_ROWS_2};
#endif

/* By vectors of columns, then rows; the second of a pair is for neighbouring rows of A. */
static tile_function *const TILES[TILE_VECTORS][MOST_TILE_ROWS][2] = {
    {UP_TO(TILE_ROWS_1)(ENTRY, 1)},
    {UP_TO(TILE_ROWS_2)(ENTRY, 2)},
#if TILE_VECTORS > 2
    {UP_TO(TILE_ROWS_3)(ENTRY, 3)},
    {UP_TO(TILE_ROWS_4)(ENTRY, 4)},
#endif
};

INLINE ptrdiff_t slices(ptrdiff_t n_terms) {
    return n_terms > SLICE_TERMS ? (n_terms + SLICE_TERMS - 1) / SLICE_TERMS : 1;
}

/* Columns [first, first + n_columns) of C from the panel of B that holds them: slices of k outside, so
   that one of them serves all rows from L1. */
static void panel_product(const struct product *p, ptrdiff_t n_rows, ptrdiff_t n_terms,
                          ptrdiff_t n_columns, const real *a, const real *b, real *c,
                          const real *bias) {
    const ptrdiff_t columns = vectors(n_columns), most = MOST_ROWS[columns - 1];
    const ptrdiff_t n_tiles = (n_rows + most - 1) / most;
    const ptrdiff_t n_slices = slices(n_terms);
    struct slice s = {.next = p->next, .tail = first_lanes(n_columns - (columns - 1) * LANES)};
    for (ptrdiff_t k = 0; k < n_slices; k++) {
        const ptrdiff_t from = n_terms * k / n_slices;
        s.n_terms = n_terms * (k + 1) / n_slices - from;
        s.resume = k > 0 && !p->add;
        s.bias = k == n_slices - 1 ? bias : NULL;
        s.b = b + from * p->b_term;
        s.from = from;
        for (ptrdiff_t t = 0; t < n_tiles; t++) {
            const ptrdiff_t row = n_rows * t / n_tiles, next = n_rows * (t + 1) / n_tiles;
            s.a = a + row * p->a_row + from * p->a_term;
            s.c = c + row * p->c_row;
            s.row = row;
            TILES[columns - 1][next - row - 1][p->a_row == 1](p, &s);
            if (p->epilogue && k == n_slices - 1)
                finish(p->epilogue, next - row, n_columns, s.c, p->out, p->c_row);
        }
    }
}

/* The last columns of C, with rows in the lanes. Rows that fill no vector are summed once more together
   with some before them, or, where sums are added to C, in tiles. */
static void tail_product(struct product p, ptrdiff_t n_rows, ptrdiff_t n_terms, ptrdiff_t n_columns,
                         const real *a, const real *b, real *panel, real *c, const real *bias) {
    const ptrdiff_t n_slices = p.add ? slices(n_terms) : 1;
    struct tail_sums s = {.a_row = p.a_row, .a_term = p.a_term, .b_term = p.b_term,
                          .c_row = p.c_row, .bias = bias, .scale = p.scale, .add = p.add};
    ptrdiff_t row = 0;
    if (p.next) prefetch_rows(p.next, 0, n_rows, 0, n_terms);
    p.next = NULL;
    if (p.a_row != 1) { /* what a store writes too much, the next one overwrites */
        for (ptrdiff_t k = 0; k < n_terms; k++) store(panel + k * n_columns, load(b + k * p.b_term));
        s.b_term = n_columns;
        b = panel;
    }
    while (row < n_rows) {
        if (n_rows - row < LANES && p.add) break;
        if (n_rows - row < LANES) row = n_rows - LANES;
        s.c = c + row * p.c_row;
        for (ptrdiff_t k = 0; k < n_slices; k++) {
            const ptrdiff_t from = n_terms * k / n_slices;
            s.n_terms = n_terms * (k + 1) / n_slices - from;
            s.a = a + row * p.a_row + from * p.a_term;
            s.b = b + from * s.b_term;
            TAILS[n_columns - 1][p.a_row == 1](&s);
        }
        if (p.epilogue) finish(p.epilogue, LANES, n_columns, s.c, p.out, p.c_row);
        row += LANES;
    }
    if (row < n_rows)
        panel_product(&p, n_rows - row, n_terms, n_columns, a + row * p.a_row, b, c + row * p.c_row,
                      bias);
}

#define LINE_NUMBERS (64 / (ptrdiff_t)sizeof(real))

/* B's panel, copied; or transposed, where B is stored the other way round. */
static void copy_panel(ptrdiff_t n_terms, ptrdiff_t columns, const real *b, ptrdiff_t b_row,
                       real *panel) {
    const ptrdiff_t width = columns * LANES;
    for (ptrdiff_t k = 0; k < n_terms; k++) {
        const real *const row = b + k * b_row;
        for (ptrdiff_t j = 0; j < width; j += LINE_NUMBERS) prefetch_into_l2(row + width + j);
        for (ptrdiff_t j = 0; j < width; j += LANES) store(panel + k * width + j, load(row + j));
    }
}

/* b's rows have room for whole vectors; those of the panel behind the last of b are zero. */
static void transpose_panel(ptrdiff_t n_terms, ptrdiff_t n_columns, const real *b, ptrdiff_t b_row,
                            real *panel) {
    const ptrdiff_t width = vectors(n_columns) * LANES;
    for (ptrdiff_t j = 0; j < width; j += LANES)
        for (ptrdiff_t k = 0; k < n_terms; k += LANES) {
            const ptrdiff_t terms = n_terms - k < LANES ? n_terms - k : LANES;
            vec square[sizeof(vec) / sizeof(real)];
            for (ptrdiff_t i = 0; i < LANES; i++)
                square[i] = j + i < n_columns ? load(b + (j + i) * b_row + k) : broadcast(0);
            transpose_square(square);
            for (ptrdiff_t i = 0; i < terms; i++) store(panel + (k + i) * width + j, square[i]);
        }
}

static void product(struct product p, ptrdiff_t n_rows, ptrdiff_t n_terms, ptrdiff_t n_columns,
                    const real *a, const real *b, int b_transposed, real *panel, real *c) {
    const ptrdiff_t n_last = b_transposed ? 0 : tail_columns(n_columns, n_rows);
    const ptrdiff_t width = vectors(n_columns - n_last);
    const ptrdiff_t n_panels = (width + TILE_VECTORS - 1) / TILE_VECTORS;
    const real *const bias = p.epilogue ? p.epilogue->bias : NULL;
    const ptrdiff_t b_row = p.b_term;
    const int copied =
        n_rows >= COPIED_ROWS && b_row * (ptrdiff_t)sizeof(real) >= COPIED_BYTES;
    for (ptrdiff_t t = 0; t < n_panels; t++) {
        const ptrdiff_t vector = width * t / n_panels, next = width * (t + 1) / n_panels;
        const ptrdiff_t first = vector * LANES;
        const ptrdiff_t columns =
            (next * LANES < n_columns - n_last ? next * LANES : n_columns - n_last) - first;
        const real *from = panel;
        p.b_term = (next - vector) * LANES;
        if (b_transposed) {
            transpose_panel(n_terms, columns, b + first * b_row, b_row, panel);
        } else if (copied) {
            copy_panel(n_terms, next - vector, b + first, b_row, panel);
        } else {
            from = b + first;
            p.b_term = b_row;
        }
        panel_product(&p, n_rows, n_terms, columns, a, from, c + first,
                      bias ? bias + first : NULL);
        p.next = NULL;
    }
    if (n_last > 0) {
        const ptrdiff_t first = width * LANES;
        p.b_term = b_row;
        tail_product(p, n_rows, n_terms, n_last, a, b + first, panel, c + first,
                     bias ? bias + first : NULL);
    }
}

/* One to three rows: too few for tiles, whose sums would wait for each other, and the work is to read
   the weights once. So they are read as they lie, with the sums of all columns in registers: 784 × 100
   at the speed of L2, 1.4 µs with AVX-512. Where there are more sums than registers they stay in L1, and
   some rows of weights go side by side. */
INLINE void sum_in_registers(const struct product *p, ptrdiff_t n_terms, const real *a, const real *b,
                             real *c, const int rows, const int columns) {
    vec sum[FEW_ROWS][GROUP_VECTORS];
    UNROLL for (int i = 0; i < rows; i++)
        for (int j = 0; j < columns; j++) sum[i][j] = broadcast(0);
    for (ptrdiff_t k = 0; k < n_terms; k++) {
        vec a_k[FEW_ROWS];
        UNROLL for (int i = 0; i < rows; i++) a_k[i] = broadcast(a[i * p->a_row + k]);
        for (int j = 0; j < columns; j++) {
            const vec b_k = load(b + k * p->b_term + j * LANES);
            UNROLL for (int i = 0; i < rows; i++) sum[i][j] += a_k[i] * b_k;
        }
    }
    UNROLL for (int i = 0; i < rows; i++)
        for (int j = 0; j < columns; j++) store(c + i * p->c_row + j * LANES, sum[i][j]);
}

INLINE void add_terms(const struct product *p, const real *a, const real *b, real *c,
                      ptrdiff_t width, const int rows, const int terms, const int first) {
    vec a_ik[FEW_ROWS][8];
    UNROLL for (int i = 0; i < rows; i++)
        UNROLL for (int k = 0; k < terms; k++) a_ik[i][k] = broadcast(a[i * p->a_row + k]);
    for (ptrdiff_t j = 0; j < width; j += LANES) {
        vec sum[FEW_ROWS];
        UNROLL for (int i = 0; i < rows; i++)
            sum[i] = first ? broadcast(0) : load(c + i * p->c_row + j);
        UNROLL for (int k = 0; k < terms; k++) {
            const vec b_k = load(b + k * p->b_term + j);
            UNROLL for (int i = 0; i < rows; i++) sum[i] += a_ik[i][k] * b_k;
        }
        UNROLL for (int i = 0; i < rows; i++) store(c + i * p->c_row + j, sum[i]);
    }
}

INLINE void sum_in_l1(const struct product *p, ptrdiff_t n_terms, ptrdiff_t width, const real *a,
                      const real *b, real *c, const int rows, const int terms) {
    ptrdiff_t k = n_terms % terms;
    if (k == 0) {
        add_terms(p, a, b, c, width, rows, terms, 1);
        k = terms;
    } else {
        add_terms(p, a, b, c, width, rows, 1, 1);
        for (ptrdiff_t i = 1; i < k; i++)
            add_terms(p, a + i, b + i * p->b_term, c, width, rows, 1, 0);
    }
    for (; k < n_terms; k += terms)
        add_terms(p, a + k, b + k * p->b_term, c, width, rows, terms, 0);
}

INLINE void few_rows(const struct product *p, ptrdiff_t n_terms, ptrdiff_t n_columns, const real *a,
                     const real *b, real *c, const int rows, const int terms) {
    const ptrdiff_t columns = vectors(n_columns), last = (columns - 1) * LANES;
    const bits tail = first_lanes(n_columns - last);
    const real *const bias = p->epilogue->bias;
    if (columns > GROUP_VECTORS || columns * rows > MOST_SUMS) {
        sum_in_l1(p, n_terms, columns * LANES, a, b, c, rows, terms);
    } else {
#define CASE(N, ROWS) \
    case N: sum_in_registers(p, n_terms, a, b, c, ROWS, N); break;
        EACH_WIDTH(CASE, rows)
#undef CASE
    }
    for (int i = 0; i < rows; i++) {
        real *const c_i = c + i * p->c_row;
        for (ptrdiff_t j = 0; bias && j <= last; j += LANES)
            store(c_i + j, load(c_i + j) + load(bias + j));
        store(c_i + last, keep_lanes(tail, load(c_i + last)));
    }
    finish(p->epilogue, rows, n_columns, c, c, p->c_row);
}

static void forward(ptrdiff_t n_rows, ptrdiff_t n_in, ptrdiff_t n_out, const void *x,
                    ptrdiff_t x_row, const void *weight, ptrdiff_t weight_row,
                    const struct epilogue *epilogue, const struct upcoming *next, void *panel,
                    void *out, ptrdiff_t out_row) {
    const struct product p = {.a_row = x_row, .a_term = 1, .b_term = weight_row, .c_row = out_row,
                              .epilogue = epilogue, .out = out, .next = next};
    switch (n_rows) {
    case 1: few_rows(&p, n_in, n_out, x, weight, out, 1, 8); break;
    case 2: few_rows(&p, n_in, n_out, x, weight, out, 2, 4); break;
    case 3: few_rows(&p, n_in, n_out, x, weight, out, 3, 3); break;
    default: product(p, n_rows, n_in, n_out, x, weight, 0, panel, out); break;
    }
}

/* Where the target COPIES_BLOCKS, A's columns are taken BLOCK_COLUMNS at a time, and copied if they lie
   too far apart for their pages to be remembered and are used often enough. */
#define BLOCKED_ROWS 24
#define BLOCKED_BYTES 1024

static void outer(ptrdiff_t n_rows, ptrdiff_t n_in, ptrdiff_t n_out, const void *x,
                  ptrdiff_t x_row, const void *delta, ptrdiff_t delta_row, double scale, int add,
                  void *panel, void *out, ptrdiff_t out_row) {
    struct product p = {.a_row = 1, .a_term = x_row, .b_term = delta_row, .c_row = out_row,
                        .scale = (real)scale, .add = add};
    real *const block = (real *)panel + n_rows * PANEL_VECTORS * LINE_NUMBERS;
    if (!COPIES_BLOCKS || x_row * (ptrdiff_t)sizeof(real) < BLOCKED_BYTES || n_rows < BLOCKED_ROWS ||
        n_out < 4 * TILE_VECTORS * LANES) {
        product(p, n_in, n_rows, n_out, x, delta, 0, panel, out);
        return;
    }
    for (ptrdiff_t first = 0; first < n_in; first += BLOCK_COLUMNS) {
        const ptrdiff_t n = n_in - first < BLOCK_COLUMNS ? n_in - first : BLOCK_COLUMNS;
        for (ptrdiff_t k = 0; k < n_rows; k++)
            memcpy(block + k * n, (const real *)x + k * x_row + first, (size_t)n * sizeof(real));
        p.a_term = n;
        product(p, n, n_rows, n_out, block, delta, 0, panel, (real *)out + first * out_row);
    }
}

static void backward(ptrdiff_t n_rows, ptrdiff_t n_in, ptrdiff_t n_out, const void *delta,
                     ptrdiff_t delta_row, const void *weight, ptrdiff_t weight_row, void *panel,
                     void *out, ptrdiff_t out_row) {
    const struct product p = {.a_row = delta_row, .a_term = 1, .b_term = weight_row,
                              .c_row = out_row};
    product(p, n_rows, n_out, n_in, delta, weight, 1, panel, out);
}

/* Sums of delta's columns, a vector of columns at a time. */
static void column_sums(ptrdiff_t n_rows, ptrdiff_t n_out, const void *delta, ptrdiff_t delta_row,
                        double scale, int add, void *out) {
    for (ptrdiff_t j = 0; j < n_out; j += LANES) {
        const real *const column = (const real *)delta + j;
        real *const to = (real *)out + j;
        vec sum = broadcast(0);
        for (ptrdiff_t i = 0; i < n_rows; i++) sum += load(column + i * delta_row);
        store(to, keep_lanes(first_lanes(n_out - j), add ? load(to) + (real)scale * sum : sum));
    }
}

#endif
