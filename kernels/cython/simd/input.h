/* A minibatch's rows, fetched from the user's array as they enter (any strides, bytes scaled, doubles
   and floats converted), and results written back into one. */

#ifndef FASTNN_INPUT_H
#define FASTNN_INPUT_H

#include "vector.h"

#define CACHE_LINE 64

/* The number at p; memcpy because a user's array need not be aligned. */
INLINE real number_at(const char *p, enum input_type type, real scale) {
    switch (type) {
    case INPUT_BYTE: return (real)*(const unsigned char *)p * scale;
    case INPUT_FLOAT: {
        float f;
        memcpy(&f, p, sizeof f);
        return (real)f;
    }
    default: {
        double d;
        memcpy(&d, p, sizeof d);
        return (real)d;
    }
    }
}

/* A constant stride lets the compiler vectorize the common case, unit steps. */
INLINE void gather_row(const char *from, ptrdiff_t stride, enum input_type type, real scale,
                       ptrdiff_t n, real *RESTRICT to) {
    const ptrdiff_t unit = type == INPUT_BYTE ? 1 : type == INPUT_FLOAT ? 4 : 8;
    if (stride == unit)
        for (ptrdiff_t j = 0; j < n; j++) to[j] = number_at(from + j * unit, type, scale);
    else
        for (ptrdiff_t j = 0; j < n; j++) to[j] = number_at(from + j * stride, type, scale);
}

/* How many of a row's numbers are not zero. */
static ptrdiff_t count_non_zeros(const struct dense_input *x, ptrdiff_t n_in, ptrdiff_t row) {
    const char *const from = x->data + row * x->row_stride;
    int32_t n = 0;
    if (x->type == INPUT_BYTE && x->column_stride == 1)
        for (ptrdiff_t j = 0; j < n_in; j++) n += from[j] != 0;
    else if (x->type == INPUT_FLOAT && x->column_stride == (ptrdiff_t)sizeof(float))
        for (ptrdiff_t j = 0; j < n_in; j++) n += number_at(from + j * 4, INPUT_FLOAT, 1) != 0;
    else
        for (ptrdiff_t j = 0; j < n_in; j++)
            n += number_at(from + j * x->column_stride, x->type, 1) != 0;
    return n;
}

/* Ask for columns [first, last) of rows [begin, end) of those to come. */
INLINE void prefetch_rows(const struct upcoming *next, ptrdiff_t begin, ptrdiff_t end, ptrdiff_t first,
                          ptrdiff_t last) {
#if defined(__GNUC__)
    const ptrdiff_t stride = next->input.column_stride;
    for (ptrdiff_t i = begin; i < end && i < next->n_rows; i++) {
        const ptrdiff_t row = next->order ? (ptrdiff_t)next->order[i] : i;
        const char *const from = next->input.data + row * next->input.row_stride;
        for (ptrdiff_t p = first * stride; p < last * stride; p += CACHE_LINE)
            __builtin_prefetch(from + p, 0, 2);
    }
#else
    (void)next, (void)begin, (void)end, (void)first, (void)last;
#endif
}

static void gather(const struct dense_input *x, const int64_t *order, ptrdiff_t n_rows,
                   ptrdiff_t n_in, double scale, void *out, ptrdiff_t out_row) {
    for (ptrdiff_t i = 0; i < n_rows; i++) {
        const char *const from = x->data + (order ? (ptrdiff_t)order[i] : i) * x->row_stride;
        real *const to = (real *)out + i * out_row;
        switch (x->type) {
        case INPUT_BYTE:
            gather_row(from, x->column_stride, INPUT_BYTE, (real)scale, n_in, to);
            break;
        case INPUT_FLOAT: gather_row(from, x->column_stride, INPUT_FLOAT, 1, n_in, to); break;
        default: gather_row(from, x->column_stride, INPUT_DOUBLE, 1, n_in, to); break;
        }
    }
}

INLINE ptrdiff_t index_at(const void *indices, int wide, ptrdiff_t i) {
    return wide ? (ptrdiff_t)((const int64_t *)indices)[i] : ((const int32_t *)indices)[i];
}

static void gather_sparse(const struct csr_input *x, const int64_t *order, ptrdiff_t n_rows,
                          double scale, const struct sparse *out) {
    const ptrdiff_t size = x->type == INPUT_BYTE ? 1 : x->type == INPUT_FLOAT ? 4 : 8;
    real *const value = out->value;
    ptrdiff_t n = 0;
    for (ptrdiff_t i = 0; i < n_rows; i++) {
        const ptrdiff_t row = order ? (ptrdiff_t)order[i] : i;
        const ptrdiff_t last = index_at(x->indptr, x->wide, row + 1);
        out->start[i] = n;
        for (ptrdiff_t e = index_at(x->indptr, x->wide, row); e < last; e++, n++) {
            out->column[n] = index_at(x->indices, x->wide, e);
            value[n] = number_at((const char *)x->data + e * size, x->type, (real)scale);
        }
    }
    out->start[n_rows] = n;
}

static void write_rows(ptrdiff_t n_rows, ptrdiff_t n_out, const void *h, ptrdiff_t h_row, char *out,
                       ptrdiff_t row_stride, ptrdiff_t column_stride) {
    for (ptrdiff_t i = 0; i < n_rows; i++) {
        const real *const from = (const real *)h + i * h_row;
        char *const to = out + i * row_stride;
        if (column_stride == (ptrdiff_t)sizeof(real))
            memcpy(to, from, (size_t)n_out * sizeof(real));
        else
            for (ptrdiff_t j = 0; j < n_out; j++) memcpy(to + j * column_stride, from + j, sizeof(real));
    }
}

#endif
