/* The table of one number type and instruction set: setup.py compiles this file once for each, with
   the compiler's flags for the instruction set, FASTNN_TARGET naming its header in targets/,
   FASTNN_TABLE what is exported, and FASTNN_DOUBLE defined for double.

   A target that does an operation better in a way of its own names a file, OWN_KERNELS, that is
   included here; it defines the functions and OWN_ENTRIES, which replace those of the table. */

#include "activation.h"
#include "dense.h"
#include "input.h"
#include "lane_losses.h"
#include "lane_products.h"
#include "lane_rows.h"
#include "lane_updates.h"
#include "loss.h"
#include "masked.h"
#include "optimizer.h"
#include "scaled.h"
#include "softmax.h"
#include "sparse.h"

#if defined(OWN_KERNELS)
#include OWN_KERNELS
#else
#define OWN_ENTRIES
#endif

const struct kernels FASTNN_TABLE = {
    .size = sizeof(real),
    .lanes = LANES,
    .count_non_zeros = count_non_zeros,
    .lies_within = lies_within,
    .holds_flags = holds_flags,
    .gather = gather,
    .scale_bytes = scale_bytes,
    .gather_masked = gather_masked,
    .transpose_masks = transpose_masks,
    .gather_sparse = gather_sparse,
    .write_rows = write_rows,
    .forward = forward,
    .forward_masked = forward_masked,
    .forward_sparse = forward_sparse,
    .outer = outer,
    .outer_masked = outer_masked,
    .outer_sparse = outer_sparse,
    .column_sums = column_sums,
    .backward = backward,
    .derive = derive,
    .drop = drop,
    .softmax = softmax,
    .softmax_cross_entropy = softmax_cross_entropy,
    .elementwise_loss = elementwise_loss,
    .update = update,
    .add_penalty = add_penalty,
    .begin_scaled = begin_scaled,
    .update_scaled = update_scaled,
    .scale_columns = scale_columns,
    .penalty = penalty,
    .sum_of_squares = sum_of_squares,
    .scale = scale,
    .limit_column_norms = limit_column_norms,
    .slice_terms = SLICE_TERMS,
    .enter_lane = enter_lane,
    .leave_lane = leave_lane,
    .gather_lanes = gather_lanes,
    .forward_lanes = forward_lanes,
    .outer_lanes = outer_lanes,
    .column_sums_lanes = column_sums_lanes,
    .backward_lanes = backward_lanes,
    .gather_labels_lanes = gather_labels_lanes,
    .cross_entropy_lanes = cross_entropy_lanes,
    .elementwise_loss_lanes = elementwise_loss_lanes,
    .update_lanes = update_lanes,
    .add_penalty_lanes = add_penalty_lanes,
    .sum_weights_lanes = sum_weights_lanes,
    .add_penalties_lanes = add_penalties_lanes,
    OWN_ENTRIES
};
