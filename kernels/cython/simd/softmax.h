/* Softmax, and the cross-entropy of its outputs with integer labels.

       p = e^(z - max) / Σ e^(z - max)          loss = log Σ e^(z - max) - t · (z - max)
       delta = (p - t) · scale                  t = (1 - ε) onehot(label) + ε / n_out

   Rows are short, so LANES of them go together, a row in each lane: nothing then waits for a sum or a
   maximum across lanes. A few rows, or long ones, go one by one. Both ways do the same operations in the
   same order, so that a row's result has the same bits by itself and among others. */

#ifndef FASTNN_SOFTMAX_H
#define FASTNN_SOFTMAX_H

#include "exponential.h"

#define MOST_COLUMNS 64 /* of rows that go together: 4 KB of vectors */
#define FEWEST_ROWS 4   /* that are quicker together than one by one */

#define EACH_LANE(i) (ptrdiff_t i = 0; i < LANES; i++)

INLINE int goes_together(ptrdiff_t n_rows, ptrdiff_t n_out) {
    return n_rows >= FEWEST_ROWS && n_out <= MOST_COLUMNS;
}

/* -- LANES rows, a row in each lane ---------------------------------------------------------------- */

/* Column j of at most LANES rows becomes a vector; the columns behind the last, to a whole number of
   vectors, and the rows behind the last are of no meaning. */
INLINE void load_columns(ptrdiff_t n_rows, ptrdiff_t n_out, const real *z, ptrdiff_t z_row,
                         vec *column) {
    for (ptrdiff_t j = 0; j < n_out; j += LANES) {
        for EACH_LANE(i) column[j + i] = load(z + (i < n_rows ? i : 0) * z_row + j);
        transpose_square(column + j);
    }
}

/* The way back; the columns behind the last become zero. */
INLINE void store_columns(ptrdiff_t n_rows, ptrdiff_t n_out, vec *column, real *out,
                          ptrdiff_t out_row) {
    for (ptrdiff_t j = n_out; j % LANES; j++) column[j] = broadcast(0);
    for (ptrdiff_t j = 0; j < n_out; j += LANES) {
        transpose_square(column + j);
        for (ptrdiff_t i = 0; i < n_rows; i++) store(out + i * out_row + j, column[j + i]);
    }
}

INLINE vec largest_of_columns(ptrdiff_t n_out, const vec *column) {
    vec largest = broadcast(-(real)INFINITY);
    for (ptrdiff_t j = 0; j < n_out; j++) largest = maximum(column[j], largest);
    return largest;
}

/* column = e^(column - largest); returns the sums, added up as `row_exponentials` does. */
INLINE vec column_exponentials(ptrdiff_t n_out, vec largest, vec *column) {
    vec sum[sizeof(vec) / sizeof(real)];
    for EACH_LANE(i) sum[i] = broadcast(0);
    for (ptrdiff_t j = 0; j < n_out; j += LANES)
        for (ptrdiff_t i = 0; i < LANES && j + i < n_out; i++) {
            column[j + i] = exponential(column[j + i] - largest);
            sum[i] += column[j + i];
        }
    return sum_vectors(sum);
}

/* Sums of column - largest, likewise. */
INLINE vec column_sums_from(ptrdiff_t n_out, vec largest, const vec *column) {
    vec sum[sizeof(vec) / sizeof(real)];
    for EACH_LANE(i) sum[i] = broadcast(0);
    for (ptrdiff_t j = 0; j < n_out; j += LANES)
        for (ptrdiff_t i = 0; i < LANES && j + i < n_out; i++) sum[i] += column[j + i] - largest;
    return sum_vectors(sum);
}

static void softmax_together(ptrdiff_t n_rows, ptrdiff_t n_out, const real *z, ptrdiff_t z_row,
                             real *out, ptrdiff_t out_row) {
    vec column[MOST_COLUMNS];
    load_columns(n_rows, n_out, z, z_row, column);
    const vec total = column_exponentials(n_out, largest_of_columns(n_out, column), column);
    for (ptrdiff_t j = 0; j < n_out; j++) column[j] = column[j] / total;
    store_columns(n_rows, n_out, column, out, out_row);
}

/* -- one row ----------------------------------------------------------------------------------------- */

/* The largest of n numbers, NaN if there is one. */
INLINE real row_maximum(const real *z, ptrdiff_t n) {
    const vec lowest = broadcast(-(real)INFINITY);
    vec largest = lowest;
    for (ptrdiff_t j = 0; j < n; j += LANES)
        largest = maximum(select_lanes(first_lanes(n - j), load(z + j), lowest), largest);
    return max_lanes(largest);
}

/* out = e^(z - largest), zero behind the n-th; returns the sum. */
INLINE real row_exponentials(const real *z, ptrdiff_t n, real largest, real *out) {
    vec sum = broadcast(0);
    for (ptrdiff_t j = 0; j < n; j += LANES) {
        const vec e = keep_lanes(first_lanes(n - j), exponential(load(z + j) - largest));
        sum += e;
        store(out + j, e);
    }
    return sum_lanes(sum);
}

/* The sum of z - largest. */
INLINE real row_sum_from(const real *z, ptrdiff_t n, real largest) {
    vec sum = broadcast(0);
    for (ptrdiff_t j = 0; j < n; j += LANES)
        sum += keep_lanes(first_lanes(n - j), load(z + j) - largest);
    return sum_lanes(sum);
}

static void softmax_of_row(ptrdiff_t n_out, const real *z, real *out) {
    const real total = row_exponentials(z, n_out, row_maximum(z, n_out), out);
    for (ptrdiff_t j = 0; j < n_out; j += LANES)
        store(out + j, keep_lanes(first_lanes(n_out - j), load(out + j) / broadcast(total)));
}

static void softmax(ptrdiff_t n_rows, ptrdiff_t n_out, const void *z, ptrdiff_t z_row, void *out,
                    ptrdiff_t out_row) {
    const ptrdiff_t step = goes_together(n_rows, n_out) ? LANES : 1;
    for (ptrdiff_t i = 0; i < n_rows; i += step) {
        const real *const from = (const real *)z + i * z_row;
        real *const to = (real *)out + i * out_row;
        if (step > 1)
            softmax_together(n_rows - i < step ? n_rows - i : step, n_out, from, z_row, to, out_row);
        else
            softmax_of_row(n_out, from, to);
    }
}

/* -- cross-entropy ----------------------------------------------------------------------------------- */

/* What is wanted of a row: t at the label and at the other classes, and ε. */
struct target {
    real label, others, smoothing;
};

INLINE struct target target_of(ptrdiff_t n_out, double smoothing) {
    const double others = smoothing / (double)n_out;
    const struct target target = {(real)(1.0 - smoothing + others), (real)others, (real)smoothing};
    return target;
}

/* t · (z - max), of its number at the label and the sum of all. */
INLINE vec wanted_of(struct target target, vec at_label, vec sum) {
    return at_label * (1 - target.smoothing) + sum * target.others;
}

/* What is said of a row: weight times loss, and the weight if the label is the first of the largest. */
struct verdict {
    double *loss, *right;
};

/* The three steps of rows in lanes, of columns of z. First t · (z - max), the largest, and whether the
   label is right; a NaN is larger than any number, as in numpy.argmax. */
INLINE vec wanted_of_columns(ptrdiff_t n_out, bits label, struct target target, const vec *column,
                             vec *largest, bits *is_right) {
    bits right = broadcast_bits(0), seen = broadcast_bits(0);
    vec at_label = broadcast(0);
    *largest = largest_of_columns(n_out, column);
    for (ptrdiff_t j = 0; j < n_out; j++) {
        const bits here = MASK(label == broadcast_bits((integer)j));
        const bits is_largest = MASK(column[j] == *largest) | MASK(column[j] != column[j]);
        at_label = select_lanes(here, column[j], at_label);
        right |= here & is_largest & ~seen;
        seen |= is_largest;
    }
    *is_right = right;
    at_label -= *largest;
    if (target.smoothing == 0) return at_label;
    return wanted_of(target, at_label, column_sums_from(n_out, *largest, column));
}

/* Then come `column_exponentials`, and from these and their sum the delta. */
INLINE void delta_of_columns(ptrdiff_t n_out, bits label, struct target target, vec total, vec scale,
                             vec *column) {
    const vec of_label = broadcast(target.label), of_others = broadcast(target.others);
    for (ptrdiff_t j = 0; j < n_out; j++) {
        const bits here = MASK(label == broadcast_bits((integer)j));
        column[j] = (column[j] / total - select_lanes(here, of_label, of_others)) * scale;
    }
}

/* At most LANES rows. */
static void cross_entropy_together(ptrdiff_t n_rows, ptrdiff_t n_out, const real *z, ptrdiff_t z_row,
                                   const int64_t *labels, const double *row_weight, double factor,
                                   struct target target, real *delta, ptrdiff_t delta_row,
                                   struct verdict verdict) {
    vec column[MOST_COLUMNS];
    integer lane_label[sizeof(vec) / sizeof(real)], lane_right[sizeof(vec) / sizeof(real)];
    real lane_scale[sizeof(vec) / sizeof(real)], lane_loss[sizeof(vec) / sizeof(real)];
    for EACH_LANE(i) {
        lane_label[i] = i < n_rows ? (integer)labels[i] : 0;
        lane_scale[i] = (real)factor;
    }
    if (row_weight) /* not inside that loop: masked loads at NULL take microcode */
        for (ptrdiff_t i = 0; i < n_rows; i++) lane_scale[i] = (real)(row_weight[i] * factor);
    bits label, right;
    memcpy(&label, lane_label, sizeof label);
    load_columns(n_rows, n_out, z, z_row, column);
    vec largest;
    const vec wanted = wanted_of_columns(n_out, label, target, column, &largest, &right);
    const vec total = column_exponentials(n_out, largest, column);
    delta_of_columns(n_out, label, target, total, load(lane_scale), column);
    store(lane_loss, logarithm(total) - wanted);
    store_columns(n_rows, n_out, column, delta, delta_row);
    memcpy(lane_right, &right, sizeof right);
    for (ptrdiff_t i = 0; i < n_rows; i++) {
        const double weight = row_weight ? row_weight[i] : 1.0;
        verdict.loss[i] = weight * lane_loss[i];
        verdict.right[i] = lane_right[i] ? weight : 0.0;
    }
}

INLINE int is_first_maximum(const real *z, real largest, int64_t label) {
    const int no_number = largest != largest;
    if (no_number ? z[label] == z[label] : z[label] != largest) return 0;
    for (int64_t j = 0; j < label; j++)
        if (no_number ? z[j] != z[j] : z[j] == largest) return 0;
    return 1;
}

static void cross_entropy_of_row(ptrdiff_t n_out, const real *z, int64_t label, double weight,
                                 double factor, struct target target, real *delta,
                                 struct verdict verdict) {
    const vec scale = broadcast((real)(weight * factor));
    const vec of_label = broadcast(target.label), of_others = broadcast(target.others);
    const real largest = row_maximum(z, n_out);
    real wanted = z[label] - largest;
    if (target.smoothing != 0) {
        const vec sum = broadcast(row_sum_from(z, n_out, largest));
        wanted = first_lane(wanted_of(target, broadcast(wanted), sum));
    }
    *verdict.right = is_first_maximum(z, largest, label) ? weight : 0.0;
    const real total = row_exponentials(z, n_out, largest, delta);
    for (ptrdiff_t j = 0; j < n_out; j += LANES) {
        const bits at_label = first_lanes(label - j + 1) & ~first_lanes(label - j);
        const vec t = select_lanes(at_label, of_label, of_others);
        const vec slope = (load(delta + j) / broadcast(total) - t) * scale;
        store(delta + j, keep_lanes(first_lanes(n_out - j), slope));
    }
    *verdict.loss = weight * (first_lane(logarithm(broadcast(total))) - wanted);
}

static void softmax_cross_entropy(ptrdiff_t n_rows, ptrdiff_t n_out, const void *z,
                                  ptrdiff_t z_row, const int64_t *labels,
                                  const double *row_weight, double factor, double smoothing,
                                  void *delta, ptrdiff_t delta_row, double *row_loss,
                                  double *row_right) {
    const struct target target = target_of(n_out, smoothing);
    const ptrdiff_t step = goes_together(n_rows, n_out) ? LANES : 1;
    for (ptrdiff_t i = 0; i < n_rows; i += step) {
        const real *const from = (const real *)z + i * z_row;
        real *const to = (real *)delta + i * delta_row;
        const double *const weight = row_weight ? row_weight + i : NULL;
        const struct verdict verdict = {row_loss + i, row_right + i};
        if (step > 1)
            cross_entropy_together(n_rows - i < step ? n_rows - i : step, n_out, from, z_row,
                                   labels + i, weight, factor, target, to, delta_row, verdict);
        else
            cross_entropy_of_row(n_out, from, labels[i], weight ? *weight : 1.0, factor, target, to,
                                 verdict);
    }
}

#endif
