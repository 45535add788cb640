/* What goes in and out of lanes: the rows and targets of each model's minibatch, and its parameters.

   A row of each model is taken 16 bytes at a time: vectors are joined from those of several models, and
   the squares in them are transposed, which no instruction needs to carry across their borders. */

#ifndef FASTNN_LANE_ROWS_H
#define FASTNN_LANE_ROWS_H

#include "input.h"

/* Where row i of each lane begins. */
INLINE void find_rows(const struct dense_input *x, const int64_t *const *orders, ptrdiff_t i,
                      const char **rows) {
    for (ptrdiff_t lane = 0; lane < LANES; lane++)
        rows[lane] = x->data + (ptrdiff_t)orders[lane][i] * x->row_stride;
}

#if defined(GNU_C)
#if !defined(LOAD_BLOCKS)
#define LOAD_BLOCKS(row, step, at) load((const real *)((row)[0] + (at)))
#endif

/* BLOCK neighbouring numbers of each row, as many columns of `to`. */
INLINE void transpose_columns(const char *const *rows, ptrdiff_t first, enum input_type type,
                              real scale, real *to) {
    const ptrdiff_t size = input_size(type);
    vec column[BLOCK];
    if (type == (sizeof(real) == 4 ? INPUT_FLOAT : INPUT_DOUBLE)) {
        UNROLL for (int i = 0; i < BLOCK; i++)
            column[i] = LOAD_BLOCKS(rows + i, BLOCK, first * size);
    } else {
        real converted[N_LANES][BLOCK];
        const char *row[N_LANES];
        for (int lane = 0; lane < N_LANES; lane++) {
            row[lane] = (const char *)converted[lane];
            for (int k = 0; k < BLOCK; k++)
                converted[lane][k] = number_at(rows[lane] + (first + k) * size, type, scale);
        }
        UNROLL for (int i = 0; i < BLOCK; i++) column[i] = LOAD_BLOCKS(row + i, BLOCK, 0);
    }
    transpose_blocks(column);
    UNROLL for (int k = 0; k < BLOCK; k++) store(to + (first + k) * LANES, column[k]);
}

INLINE void gather_neighbours(const struct dense_input *x, enum input_type type,
                              const int64_t *const *orders, ptrdiff_t n_rows, ptrdiff_t n_in,
                              real scale, real *out) {
    const char *rows[sizeof(vec) / sizeof(real)];
    for (ptrdiff_t i = 0; i < n_rows; i++, out += n_in * LANES) {
        ptrdiff_t k = 0;
        find_rows(x, orders, i, rows);
        for (; k + BLOCK <= n_in; k += BLOCK) transpose_columns(rows, k, type, scale, out);
        if (k < n_in) transpose_columns(rows, n_in - BLOCK, type, scale, out); /* some again */
    }
}
#else
#define BLOCK PTRDIFF_MAX
INLINE void gather_neighbours(const struct dense_input *x, enum input_type type,
                              const int64_t *const *orders, ptrdiff_t n_rows, ptrdiff_t n_in,
                              real scale, real *out) {
    (void)x, (void)type, (void)orders, (void)n_rows, (void)n_in, (void)scale, (void)out;
}
#endif

INLINE void gather_lanes_of(const struct dense_input *x, enum input_type type,
                            const int64_t *const *orders, ptrdiff_t n_rows, ptrdiff_t n_in,
                            real scale, real *out) {
    const char *rows[sizeof(vec) / sizeof(real)];
    const ptrdiff_t stride = x->column_stride;
    if (stride == input_size(type) && n_in >= BLOCK) {
        gather_neighbours(x, type, orders, n_rows, n_in, scale, out);
        return;
    }
    for (ptrdiff_t i = 0; i < n_rows; i++) {
        find_rows(x, orders, i, rows);
        for (ptrdiff_t k = 0; k < n_in; k++, out += LANES)
            UNROLL for (int lane = 0; lane < LANES; lane++)
                out[lane] = number_at(rows[lane] + k * stride, type, scale);
    }
}

static void gather_lanes(const struct dense_input *x, const int64_t *const *orders, ptrdiff_t n_rows,
                         ptrdiff_t n_in, double scale, void *out) {
    switch (x->type) {
#define CASE(CODE, NAME, TYPE, LETTER, IS_SCALED) \
    case CODE: gather_lanes_of(x, CODE, orders, n_rows, n_in, (real)scale, out); break;
        INPUT_TYPES(CASE)
#undef CASE
    }
}

/* Labels lie `stride` bytes apart. One that is no class is compared, never used as an index. */
static int gather_labels_lanes(const char *y, ptrdiff_t stride, const int64_t *const *orders,
                               ptrdiff_t n_rows, ptrdiff_t n_classes, void *out) {
    integer *labels = out;
    int outside = 0;
    for (ptrdiff_t i = 0; i < n_rows; i++, labels += LANES)
        UNROLL for (int lane = 0; lane < LANES; lane++) {
            int64_t label;
            memcpy(&label, y + (ptrdiff_t)orders[lane][i] * stride, sizeof label);
            outside |= (uint64_t)label >= (uint64_t)n_classes; /* below 0 is large */
            labels[lane] = (integer)label;
        }
    return !outside;
}

/* n neighbouring numbers of a model: into its lane, and out of it. */
static void enter_lane(ptrdiff_t n, const void *from, void *lane) {
    for (ptrdiff_t i = 0; i < n; i++) ((real *)lane)[i * LANES] = ((const real *)from)[i];
}

static void leave_lane(ptrdiff_t n, const void *lane, void *to) {
    for (ptrdiff_t i = 0; i < n; i++) ((real *)to)[i] = ((const real *)lane)[i * LANES];
}

#endif
