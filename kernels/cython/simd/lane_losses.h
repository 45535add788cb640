/* Losses of many small networks, a model in each lane: row after row, as loss.h and softmax.h do for one
   model, with the sums over a row's outputs and over the rows in the same order. */

#ifndef FASTNN_LANE_LOSSES_H
#define FASTNN_LANE_LOSSES_H

#include "loss.h"
#include "softmax.h"

/* The factor of each lane, times the weights of a row, which are none without weights. */
INLINE vec row_scale(const struct lane_verdict *v, ptrdiff_t row, const int has_weights) {
    real scale[sizeof(vec) / sizeof(real)];
    for EACH_LANE(i)
        scale[i] = (real)(has_weights ? v->row_weight[row * LANES + i] * v->factor[i] : v->factor[i]);
    return load(scale);
}

/* Sum what the rows say, lane by lane. Weighted losses are stored before they are added, so that no
   product is fused with a sum. */
static void sum_verdicts(ptrdiff_t n_rows, const struct lane_verdict *v) {
    const real *const loss = v->row_loss;
    const integer *const is_right = v->row_right;
    double sum[sizeof(vec) / sizeof(real)] = {0}, right[sizeof(vec) / sizeof(real)] = {0};
    if (v->row_weight) {
        for (ptrdiff_t i = 0; i < n_rows * LANES; i++) v->weighted[i] = v->row_weight[i] * loss[i];
        for (ptrdiff_t r = 0; r < n_rows * LANES; r += LANES)
            for EACH_LANE(i) {
                sum[i] += v->weighted[r + i];
                right[i] += is_right[r + i] ? v->row_weight[r + i] : 0.0;
            }
    } else {
        bits n_right = broadcast_bits(0), row;
        integer count[sizeof(vec) / sizeof(real)];
        for (ptrdiff_t r = 0; r < n_rows * LANES; r += LANES) {
            for EACH_LANE(i) sum[i] += loss[r + i];
            memcpy(&row, is_right + r, sizeof row);
            n_right -= row;
        }
        memcpy(count, &n_right, sizeof count);
        for EACH_LANE(i) right[i] = (double)count[i];
    }
    for EACH_LANE(i) {
        v->loss[i] = sum[i];
        v->right[i] = right[i];
    }
}

/* Rows that take each step together, so that none waits for the one before. */
#define ROWS_TOGETHER 8

/* n_out is a constant where it is small: then columns stay in registers. */
INLINE void cross_entropy_of_lanes(ptrdiff_t n_rows, ptrdiff_t n_out, const real *z,
                                   const integer *labels, struct target target,
                                   const struct lane_verdict *v, real *delta) {
    const vec scale = row_scale(v, 0, 0);
    for (ptrdiff_t first = 0; first < n_rows; first += ROWS_TOGETHER) {
        const ptrdiff_t n = n_rows - first < ROWS_TOGETHER ? n_rows - first : ROWS_TOGETHER;
        vec column[ROWS_TOGETHER][LANE_OUTPUTS], wanted[ROWS_TOGETHER], largest[ROWS_TOGETHER];
        vec total[ROWS_TOGETHER];
        bits label[ROWS_TOGETHER];
        memcpy(label, labels + first * LANES, (size_t)n * sizeof *label);
        for (ptrdiff_t r = 0; r < n; r++) {
            bits is_right;
            for (ptrdiff_t j = 0; j < n_out; j++)
                column[r][j] = load(z + ((first + r) * n_out + j) * LANES);
            wanted[r] =
                wanted_of_columns(n_out, label[r], target, column[r], largest + r, &is_right);
            memcpy((integer *)v->row_right + (first + r) * LANES, &is_right, sizeof is_right);
        }
        for (ptrdiff_t r = 0; r < n; r++)
            total[r] = column_exponentials(n_out, largest[r], column[r]);
        for (ptrdiff_t r = 0; r < n; r++) {
            delta_of_columns(n_out, label[r], target, total[r],
                             v->row_weight ? row_scale(v, first + r, 1) : scale, column[r]);
            for (ptrdiff_t j = 0; j < n_out; j++)
                store(delta + ((first + r) * n_out + j) * LANES, column[r][j]);
        }
        for (ptrdiff_t r = 0; r < n; r++)
            store((real *)v->row_loss + (first + r) * LANES, logarithm(total[r]) - wanted[r]);
    }
}

static void cross_entropy_lanes(ptrdiff_t n_rows, ptrdiff_t n_out, const void *z, const void *labels,
                                double smoothing, const struct lane_verdict *v, void *delta) {
    const struct target target = target_of(n_out, smoothing);
    switch (n_out) {
#define CASE(N_OUT) \
    case N_OUT: cross_entropy_of_lanes(n_rows, N_OUT, z, labels, target, v, delta); break;
        CASE(2)
        CASE(3)
        CASE(4)
#undef CASE
    default: cross_entropy_of_lanes(n_rows, n_out, z, labels, target, v, delta);
    }
    sum_verdicts(n_rows, v);
}

/* A row's outputs are summed as sum_lanes sums the lanes of a vector of columns. */
INLINE void loss_of_lanes(enum loss kind, enum activation activation, ptrdiff_t n_rows,
                          ptrdiff_t n_out, const real *z, const real *target, const real *constants,
                          const struct lane_verdict *v, real *delta) {
    vec scale = row_scale(v, 0, 0);
    for (ptrdiff_t r = 0; r < n_rows; r++) {
        vec sum[sizeof(vec) / sizeof(real)];
        bits right = ~broadcast_bits(0);
        if (v->row_weight) scale = row_scale(v, r, 1);
        for EACH_LANE(i) sum[i] = broadcast(0);
        for (ptrdiff_t j = 0; j < n_out; j++) {
            const ptrdiff_t at = (r * n_out + j) * LANES;
            const vec z_j = load(z + at), target_j = load(target + at);
            const vec h = output_of(activation, z_j);
            vec slope;
            right &= ~(MASK(z_j > broadcast(0)) ^ MASK(target_j > broadcast((real)0.5)));
            /* A whole number before it is added: no product of it may be fused with the sum. */
            const vec loss = loaded(loss_of(kind, h, target_j, broadcast(constants[j]), &slope));
            sum[j % LANES] += loss;
            if (activation != IDENTITY) slope *= slope_of(activation, h);
            store(delta + at, slope * scale);
        }
        memcpy((integer *)v->row_right + r * LANES, &right, sizeof right);
        store((real *)v->row_loss + r * LANES, sum_vectors(sum));
    }
}

static void elementwise_loss_lanes(enum loss kind, enum activation activation, ptrdiff_t n_rows,
                                   ptrdiff_t n_out, const void *z, const void *target,
                                   const void *constants, const struct lane_verdict *v,
                                   void *delta) {
    /* Constants, for loops without the others; one output is the most frequent number of them. */
#define LOSS_OF(KIND, ACTIVATION, N_OUT) \
    loss_of_lanes(KIND, ACTIVATION, n_rows, N_OUT, z, target, constants, v, delta)
    switch (kind) {
#define CASE(CODE, NAME) \
    case CODE: \
        if (activation != IDENTITY) \
            LOSS_OF(CODE, activation, n_out); \
        else if (n_out == 1) \
            LOSS_OF(CODE, IDENTITY, 1); \
        else \
            LOSS_OF(CODE, IDENTITY, n_out); \
        break;
        ELEMENTWISE_LOSSES(CASE)
#undef CASE
    case CROSS_ENTROPY: break;
    }
#undef LOSS_OF
    sum_verdicts(n_rows, v);
}

#endif
