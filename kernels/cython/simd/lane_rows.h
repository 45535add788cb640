/* What goes in and out of lanes: the rows of each model's minibatch, and its parameters. */

#ifndef FASTNN_LANE_ROWS_H
#define FASTNN_LANE_ROWS_H

#include "input.h"

/* Rows are converted here, as many columns of them at a time. */
#define STAGED_COLUMNS 64

/* out (n_rows, n_in, LANES) = x[orders[lane][row]], bytes multiplied by scale. */
INLINE void gather_lanes_of(const struct dense_input *x, enum input_type type,
                            const int64_t *const *orders, ptrdiff_t n_rows, ptrdiff_t n_in,
                            real scale, real *out) {
    real staged[sizeof(vec) / sizeof(real)][STAGED_COLUMNS];
    for (ptrdiff_t i = 0; i < n_rows; i++)
        for (ptrdiff_t first = 0; first < n_in; first += STAGED_COLUMNS) {
            const ptrdiff_t n = n_in - first < STAGED_COLUMNS ? n_in - first : STAGED_COLUMNS;
            real *const to = out + (i * n_in + first) * LANES;
            for (ptrdiff_t lane = 0; lane < LANES; lane++)
                gather_row(x->data + (ptrdiff_t)orders[lane][i] * x->row_stride +
                               first * x->column_stride,
                           x->column_stride, type, scale, n, staged[lane]);
            for (ptrdiff_t k = 0; k < n; k += LANES) {
                vec square[sizeof(vec) / sizeof(real)];
                for (ptrdiff_t lane = 0; lane < LANES; lane++) square[lane] = load(staged[lane] + k);
                transpose_square(square);
                for (ptrdiff_t j = 0; j < LANES && k + j < n; j++)
                    store(to + (k + j) * LANES, square[j]);
            }
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

/* n neighbouring numbers of a model: into its lane, and out of it. */
static void enter_lane(ptrdiff_t n, const void *from, void *lane) {
    for (ptrdiff_t i = 0; i < n; i++) ((real *)lane)[i * LANES] = ((const real *)from)[i];
}

static void leave_lane(ptrdiff_t n, const void *lane, void *to) {
    for (ptrdiff_t i = 0; i < n; i++) ((real *)to)[i] = ((const real *)lane)[i * LANES];
}

#endif
