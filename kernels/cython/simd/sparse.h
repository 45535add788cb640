/* Products with the non-zeros of a sparse input.

       forward   out_i = bias + Σ over the non-zeros v of row i, in column k, of v · weight_k
       outer     out_k += scale · v · delta_i for each of them, from zero or from what is there

   Each row of out is summed in registers, as many vectors of columns at a time as fit. */

#ifndef FASTNN_SPARSE_H
#define FASTNN_SPARSE_H

#include "activation.h"
#include "groups.h"
#include "vector.h"

INLINE void sparse_row(const struct sparse *x, ptrdiff_t i, const real *weight,
                       ptrdiff_t weight_row, const real *bias, real *out, bits tail,
                       const int columns) {
    const real *const value = x->value;
    vec sum[GROUP_VECTORS];
    for (int j = 0; j < columns; j++) sum[j] = broadcast(0);
    for (ptrdiff_t e = x->start[i]; e < x->start[i + 1]; e++) {
        const vec v = broadcast(value[e]);
        const real *const row = weight + x->column[e] * weight_row;
        for (int j = 0; j < columns; j++) sum[j] += v * load(row + j * LANES);
    }
    for (int j = 0; j < columns; j++) {
        vec y = sum[j];
        if (bias) y += load(bias + j * LANES);
        store(out + j * LANES, j == columns - 1 ? keep_lanes(tail, y) : y);
    }
}

static void forward_sparse(ptrdiff_t n_rows, ptrdiff_t n_out, const struct sparse *x,
                           const void *weight, ptrdiff_t weight_row,
                           const struct epilogue *epilogue, void *out, ptrdiff_t out_row) {
    const real *const bias = epilogue->bias;
    const ptrdiff_t width = vectors(n_out);
    for (ptrdiff_t first = 0; first < width; first += GROUP_VECTORS) {
        const ptrdiff_t columns = width - first < GROUP_VECTORS ? width - first : GROUP_VECTORS;
        const bits tail = first_lanes(n_out - (first + columns - 1) * LANES);
        const real *const w = (const real *)weight + first * LANES;
        const real *const b = bias ? bias + first * LANES : NULL;
        for (ptrdiff_t i = 0; i < n_rows; i++) {
            real *const to = (real *)out + i * out_row + first * LANES;
#define CASE(N, BIAS) \
    case N: sparse_row(x, i, w, weight_row, BIAS, to, tail, N); break;
            EACH_WIDTH(CASE, b)
#undef CASE
            finish(epilogue, 1, columns * LANES, to, out, out_row);
        }
    }
}

/* Columns [begin, end) of x, whose gradients are the rows of out. */
static void outer_sparse(ptrdiff_t n_rows, ptrdiff_t begin, ptrdiff_t end, ptrdiff_t n_out,
                         const struct sparse *x, const void *delta, ptrdiff_t delta_row,
                         double scale, int add, void *out, ptrdiff_t out_row) {
    const ptrdiff_t last = (vectors(n_out) - 1) * LANES;
    const real factor = add ? (real)scale : 1;
    const bits tail = first_lanes(n_out - last);
    const real *const value = x->value;
    for (ptrdiff_t k = begin; !add && k < end; k++)
        memset((real *)out + (k - begin) * out_row, 0, (size_t)(last + LANES) * sizeof(real));
    for (ptrdiff_t i = 0; i < n_rows; i++) {
        const real *const d = (const real *)delta + i * delta_row;
        for (ptrdiff_t e = x->start[i]; e < x->start[i + 1]; e++) {
            const ptrdiff_t k = x->column[e];
            if (k < begin || k >= end) continue;
            const vec v = broadcast(factor * value[e]);
            real *const to = (real *)out + (k - begin) * out_row;
            for (ptrdiff_t j = 0; j < last; j += LANES) store(to + j, load(to + j) + v * load(d + j));
            store(to + last, keep_lanes(tail, load(to + last) + v * load(d + last)));
        }
    }
}

#endif
