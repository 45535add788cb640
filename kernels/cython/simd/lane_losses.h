/* Losses of many small networks, a model in each lane: row after row, as loss.h and softmax.h do for one
   model, with the sums over a row's outputs and over the rows in the same order. */

#ifndef FASTNN_LANE_LOSSES_H
#define FASTNN_LANE_LOSSES_H

#include "loss.h"
#include "softmax.h"

/* The weight of each lane's row, times its factor. */
INLINE vec row_scale(const double *row_weight, const double *factor) {
    real scale[sizeof(vec) / sizeof(real)];
    for EACH_LANE(i) scale[i] = (real)((row_weight ? row_weight[i] : 1.0) * factor[i]);
    return load(scale);
}

/* Sum the rows' losses and the weights of those that are right, lane by lane; the products are made
   first, so that none of them is fused with a sum. */
static void sum_verdicts(ptrdiff_t n_rows, const struct lane_verdict *v) {
    double *const row_loss = v->row_loss, *const row_right = v->row_right;
    for EACH_LANE(i) v->loss[i] = v->right[i] = 0.0;
    for (ptrdiff_t r = 0; r < n_rows; r++)
        for EACH_LANE(i) {
            v->loss[i] += row_loss[r * LANES + i];
            v->right[i] += row_right[r * LANES + i];
        }
}

INLINE void note_row(const struct lane_verdict *v, ptrdiff_t row, vec loss, bits is_right) {
    real lane_loss[sizeof(vec) / sizeof(real)];
    integer lane_right[sizeof(vec) / sizeof(real)];
    store(lane_loss, loss);
    memcpy(lane_right, &is_right, sizeof is_right);
    for EACH_LANE(i) {
        const double weight = v->row_weight ? v->row_weight[row * LANES + i] : 1.0;
        v->row_loss[row * LANES + i] = weight * lane_loss[i];
        v->row_right[row * LANES + i] = lane_right[i] ? weight : 0.0;
    }
}

static void cross_entropy_lanes(ptrdiff_t n_rows, ptrdiff_t n_out, const void *z,
                                const int64_t *labels, double smoothing,
                                const struct lane_verdict *v, void *delta) {
    const struct target target = target_of(n_out, smoothing);
    for (ptrdiff_t r = 0; r < n_rows; r++) {
        vec column[MOST_COLUMNS];
        integer lane_label[sizeof(vec) / sizeof(real)];
        bits label, is_right;
        for EACH_LANE(i) lane_label[i] = (integer)labels[r * LANES + i];
        memcpy(&label, lane_label, sizeof label);
        for (ptrdiff_t j = 0; j < n_out; j++)
            column[j] = load((const real *)z + (r * n_out + j) * LANES);
        const vec scale = row_scale(v->row_weight ? v->row_weight + r * LANES : NULL, v->factor);
        const vec loss = cross_entropy_of_columns(n_out, label, scale, target, column, &is_right);
        for (ptrdiff_t j = 0; j < n_out; j++)
            store((real *)delta + (r * n_out + j) * LANES, column[j]);
        note_row(v, r, loss, is_right);
    }
    sum_verdicts(n_rows, v);
}

/* A row's outputs are summed as sum_lanes sums the lanes of a vector of columns. */
INLINE void loss_of_lanes(enum loss kind, enum activation activation, ptrdiff_t n_rows,
                          ptrdiff_t n_out, const real *z, const real *target, const real *constants,
                          const struct lane_verdict *v, real *delta) {
    for (ptrdiff_t r = 0; r < n_rows; r++) {
        const vec scale = row_scale(v->row_weight ? v->row_weight + r * LANES : NULL, v->factor);
        vec sum[sizeof(vec) / sizeof(real)];
        bits wrong = broadcast_bits(0);
        for EACH_LANE(i) sum[i] = broadcast(0);
        for (ptrdiff_t j = 0; j < n_out; j++) {
            const ptrdiff_t at = (r * n_out + j) * LANES;
            const vec z_j = load(z + at), target_j = load(target + at);
            const vec h = output_of(activation, z_j);
            vec slope;
            wrong |= MASK(z_j > broadcast(0)) ^ MASK(target_j > broadcast((real)0.5));
            const vec loss = loaded(loss_of(kind, h, target_j, broadcast(constants[j]), &slope));
            sum[j % LANES] += loss;
            if (activation != IDENTITY) slope *= slope_of(activation, h);
            store(delta + at, slope * scale);
        }
        for (ptrdiff_t half = LANES / 2; half; half /= 2)
            for (ptrdiff_t i = 0; i < half; i++) sum[i] += sum[i + half];
        note_row(v, r, sum[0], ~wrong);
    }
    sum_verdicts(n_rows, v);
}

static void elementwise_loss_lanes(enum loss kind, enum activation activation, ptrdiff_t n_rows,
                                   ptrdiff_t n_out, const void *z, const void *target,
                                   const void *constants, const struct lane_verdict *v,
                                   void *delta) {
    if (activation == IDENTITY) /* a constant, for a loop without the others */
        loss_of_lanes(kind, IDENTITY, n_rows, n_out, z, target, constants, v, delta);
    else
        loss_of_lanes(kind, activation, n_rows, n_out, z, target, constants, v, delta);
}

#endif
