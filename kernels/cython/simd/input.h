/* A minibatch's rows, fetched from the user's array as they enter (any strides, bytes scaled, doubles
   and floats converted), and results written back into one. */

#ifndef FASTNN_INPUT_H
#define FASTNN_INPUT_H

#include <float.h>

#include "vector.h"

#define CACHE_LINE 64

/* The number at p; memcpy because a user's array need not be aligned. */
INLINE real number_at(const char *p, enum input_type type, real scale) {
    switch (type) {
#define CASE(CODE, NAME, TYPE, LETTER, IS_SCALED) \
    case CODE: { \
        TYPE number; \
        memcpy(&number, p, sizeof number); \
        return IS_SCALED ? (real)number * scale : (real)number; \
    }
        INPUT_TYPES(CASE)
#undef CASE
    }
    return 0;
}

/* A constant stride lets the compiler vectorize the common case, unit steps. */
INLINE void gather_row(const char *from, ptrdiff_t stride, enum input_type type, real scale,
                       ptrdiff_t n, real *RESTRICT to) {
    const ptrdiff_t unit = input_size(type);
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

/* Whether every number of some rows is within [low, high], which no NaN is. */
#define WITHIN(NAME, TYPE) \
    INLINE int NAME(const char *from, ptrdiff_t stride, ptrdiff_t n, TYPE low, TYPE high) { \
        int outside = 0; \
        for (ptrdiff_t j = 0; j < n; j++) { \
            TYPE number; \
            memcpy(&number, from + j * stride, sizeof number); \
            outside |= !((number >= low) & (number <= high)); \
        } \
        return !outside; \
    }
WITHIN(floats_within, float)
WITHIN(doubles_within, double)
#undef WITHIN

static int lies_within(const struct dense_input *x, ptrdiff_t n_rows, ptrdiff_t n_in, double low,
                       double high) {
    const ptrdiff_t stride = x->column_stride;
    int within = 1;
    if (x->row_stride == n_in * stride) { /* rows that lie one after the other are one */
        n_in *= n_rows;
        n_rows = 1;
    }
    for (ptrdiff_t i = 0; i < n_rows && within; i++) {
        const char *const from = x->data + i * x->row_stride;
        if (x->type == INPUT_FLOAT) {
            const float least = low < -FLT_MAX ? -FLT_MAX : (float)low;
            const float most = high > FLT_MAX ? FLT_MAX : (float)high;
            /* A constant stride lets the compiler vectorize the common case. */
            within = stride == sizeof(float)
                         ? floats_within(from, sizeof(float), n_in, least, most)
                         : floats_within(from, stride, n_in, least, most);
        } else if (x->type == INPUT_DOUBLE)
            within = stride == sizeof(double)
                         ? doubles_within(from, sizeof(double), n_in, low, high)
                         : doubles_within(from, stride, n_in, low, high);
    }
    return within;
}

/* Whether every number of some rows of floats is 0 or 1, before it is rounded to `real`. */
static int holds_flags(const struct dense_input *x, ptrdiff_t n_rows, ptrdiff_t n_in) {
    int other = 0;
    for (ptrdiff_t i = 0; i < n_rows; i++)
        for (ptrdiff_t j = 0; j < n_in; j++) {
            const char *const at = x->data + i * x->row_stride + j * x->column_stride;
            double number;
            float single;
            if (x->type == INPUT_DOUBLE) {
                memcpy(&number, at, sizeof number);
            } else {
                memcpy(&single, at, sizeof single);
                number = single;
            }
            other |= number != 0 && number != 1;
        }
    return !other;
}

/* Ask for columns [first, last) of rows [begin, end) of those to come. */
INLINE void prefetch_rows(const struct upcoming *next, ptrdiff_t begin, ptrdiff_t end, ptrdiff_t first,
                          ptrdiff_t last) {
#if defined(GNU_C)
    const ptrdiff_t stride = next->input.column_stride, distance = stride < 0 ? -stride : stride;
    /* Every line once: one for several columns, or, of columns that lie far apart, one for each. */
    const ptrdiff_t columns = distance == 0 ? last - first
                              : distance < CACHE_LINE ? CACHE_LINE / distance : 1;
    for (ptrdiff_t i = begin; i < end && i < next->n_rows; i++) {
        const ptrdiff_t row = next->order ? (ptrdiff_t)next->order[i] : i;
        const char *const from = next->input.data + row * next->input.row_stride;
        for (ptrdiff_t j = first; j < last; j += columns)
            __builtin_prefetch(from + j * stride, 0, 2);
    }
#else
    (void)next, (void)begin, (void)end, (void)first, (void)last;
#endif
}

/* Whether the numbers of a column lie closer together than those of a row. Then columns are gone
   through one after the other: a cache line is read once for all the rows it has a number of, and
   rows whose columns lie a power of two apart do not drive each other out of the cache. */
INLINE int lies_by_columns(const struct dense_input *x) {
    const ptrdiff_t row = x->row_stride, column = x->column_stride;
    return (column < 0 ? -column : column) > (row < 0 ? -row : row);
}

/* Column `from` of rows order[0 … n_rows), into a column of `to`. */
INLINE void gather_column(const char *from, const int64_t *order, ptrdiff_t row_stride,
                          enum input_type type, real scale, ptrdiff_t n_rows, real *RESTRICT to,
                          ptrdiff_t to_row) {
    if (order)
        for (ptrdiff_t i = 0; i < n_rows; i++)
            to[i * to_row] = number_at(from + (ptrdiff_t)order[i] * row_stride, type, scale);
    else
        for (ptrdiff_t i = 0; i < n_rows; i++)
            to[i * to_row] = number_at(from + i * row_stride, type, scale);
}

INLINE void gather_of(const struct dense_input *x, enum input_type type, const int64_t *order,
                      ptrdiff_t n_rows, ptrdiff_t n_in, real scale, real *out, ptrdiff_t out_row) {
    if (lies_by_columns(x))
        for (ptrdiff_t j = 0; j < n_in; j++)
            gather_column(x->data + j * x->column_stride, order, x->row_stride, type, scale, n_rows,
                          out + j, out_row);
    else
        for (ptrdiff_t i = 0; i < n_rows; i++)
            gather_row(x->data + (order ? (ptrdiff_t)order[i] : i) * x->row_stride, x->column_stride,
                       type, scale, n_in, out + i * out_row);
}

static void gather(const struct dense_input *x, const int64_t *order, ptrdiff_t n_rows,
                   ptrdiff_t n_in, double scale, void *out, ptrdiff_t out_row) {
    switch (x->type) {
#define CASE(CODE, NAME, TYPE, LETTER, IS_SCALED) \
    case CODE: gather_of(x, CODE, order, n_rows, n_in, (real)scale, out, out_row); break;
        INPUT_TYPES(CASE)
#undef CASE
    }
}

/* Rows of bytes as they are. */
static void gather_bytes(const struct dense_input *x, const int64_t *order, ptrdiff_t n_rows,
                         ptrdiff_t n_in, unsigned char *RESTRICT to, ptrdiff_t to_row) {
    const unsigned char *const from = (const unsigned char *)x->data;
    const ptrdiff_t row_stride = x->row_stride, column_stride = x->column_stride;
    if (lies_by_columns(x)) {
        for (ptrdiff_t j = 0; j < n_in; j++)
            for (ptrdiff_t i = 0; i < n_rows; i++)
                to[i * to_row + j] =
                    from[(order ? (ptrdiff_t)order[i] : i) * row_stride + j * column_stride];
        return;
    }
    for (ptrdiff_t i = 0; i < n_rows; i++) {
        const unsigned char *const row = from + (order ? (ptrdiff_t)order[i] : i) * row_stride;
        if (column_stride == 1)
            memcpy(to + i * to_row, row, (size_t)n_in);
        else
            for (ptrdiff_t j = 0; j < n_in; j++) to[i * to_row + j] = row[j * column_stride];
    }
}

INLINE ptrdiff_t index_at(const void *indices, int wide, ptrdiff_t i) {
    return wide ? (ptrdiff_t)((const int64_t *)indices)[i] : ((const int32_t *)indices)[i];
}

/* The arrays are the user's, and another thread may write to them after the check: each number that
   an address is made of is looked at when it is read, once. */

/* Take n column numbers from the one at `first` on; of one that is none, 0. Return whether all are.
   There is no branch in it, so that it is done vector by vector. */
INLINE int gather_columns(const struct csr_input *x, int wide, ptrdiff_t first, ptrdiff_t n,
                          ptrdiff_t *RESTRICT to) {
    const size_t n_in = (size_t)x->n_in;
    int outside = 0;
    for (ptrdiff_t k = 0; k < n; k++) {
        const size_t column = (size_t)index_at(x->indices, wide, first + k); /* below 0 is large */
        outside |= column >= n_in;
        to[k] = column < n_in ? (ptrdiff_t)column : 0;
    }
    return !outside;
}

static int gather_sparse(const struct csr_input *x, const int64_t *order, ptrdiff_t n_rows,
                         double scale, const struct sparse *out) {
    const ptrdiff_t size = input_size(x->type);
    ptrdiff_t n = 0;
    int is_sound = 1;
    for (ptrdiff_t i = 0; i < n_rows; i++) {
        const ptrdiff_t row = order ? (ptrdiff_t)order[i] : i;
        const ptrdiff_t first = index_at(x->indptr, x->wide, row);
        const ptrdiff_t last = index_at(x->indptr, x->wide, row + 1);
        const char *from;
        real *const value = (real *)out->value + n;
        out->start[i] = n;
        if (first < 0 || last < first || last > x->n_entries || last - first > out->room - n) {
            is_sound = 0;
            continue;
        }
        from = (const char *)x->data + first * size;
        is_sound &= x->wide ? gather_columns(x, 1, first, last - first, out->column + n)
                            : gather_columns(x, 0, first, last - first, out->column + n);
        switch (x->type) {
#define CASE(CODE, NAME, TYPE, LETTER, IS_SCALED) \
    case CODE: gather_row(from, size, CODE, (real)scale, last - first, value); break;
            INPUT_TYPES(CASE)
#undef CASE
        }
        n += last - first;
    }
    out->start[n_rows] = n;
    return is_sound;
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
