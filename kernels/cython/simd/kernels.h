/* The table of kernels called from Cython, for one number type and instruction set.

   Every table has the same type: arrays are passed as void * and are of the table's number type
   (float or double) unless stated otherwise. Strides count numbers, sizes are those of the matrices;
   names are as in Python:

       x (n_rows, n_in)   weight (n_in, n_out)   bias (n_out)   z, out, delta (n_rows, n_out)

   Padding. The rows of every matrix that a kernel reads or writes with vectors (all but x) are padded
   to a whole number of 64-byte vectors. The padding of weights, biases and deltas is zero, and the
   kernels keep it zero for any values (including 0 · NaN). */

#ifndef FASTNN_KERNELS_H
#define FASTNN_KERNELS_H

#include <stddef.h>
#include <stdint.h>

#include "rules.h"
#include "vocabulary.h"

/* Scratch of a dense product for each term of its sums: 64-byte vectors of B's panel, and columns of
   A that are taken at a time. */
#define PANEL_VECTORS 4
#define BLOCK_COLUMNS 96

/* Rows up to which a product only reads the weights once, as they lie; rows of weights may then lie
   without padding, as long as a vector can be loaded behind the last one. */
#define FEW_ROWS 3

/* Rows of a dense input; strides in bytes, of either sign. */
struct dense_input {
    const char *data;
    enum input_type type;
    ptrdiff_t row_stride, column_stride;
};

/* Rows of a CSR input; indices and indptr are both 32 or both 64 bits wide. */
struct csr_input {
    const void *data, *indices, *indptr;
    enum input_type type;
    int wide;
    ptrdiff_t n_entries, n_in; /* what indptr and indices were checked against */
};

/* A minibatch's non-zeros, row after row: those of row i lie in [start[i], start[i + 1]). */
struct sparse {
    ptrdiff_t *start;
    ptrdiff_t *column;
    void *value;
    ptrdiff_t room; /* for so many of them */
};

/* A dense minibatch with bit masks of its non-zeros (see masked.h): its numbers are rows of bytes, to
   be looked up in a table of 256, or rows of the table's number type. */
struct masked {
    uint64_t *row_mask;    /* (n_rows, words of n_in): bit k of row i */
    uint64_t *column_mask; /* (n_in rounded up to whole words, words of n_rows): bit i of column k */
    unsigned char *bytes;  /* NULL if the numbers are not bytes; rows are whole words long */
    ptrdiff_t bytes_row;
    void *table;
    void *numbers;
    ptrdiff_t numbers_row;
};

/* Rows order[0 … n_rows) of an input (the first, where order is NULL), which will be wanted next and
   may lie in main memory: forward asks the cache for them on its way. */
struct upcoming {
    struct dense_input input;
    const int64_t *order;
    ptrdiff_t n_rows;
};

/* What becomes of a layer's sums while they are in L1: z = sum + bias goes to out, activation(z) to h,
   whose rows lie like those of out; h may be out. */
struct epilogue {
    const void *bias; /* or NULL */
    enum activation activation;
    void *h;
};

/* The most classes of a network in lanes. */
#define LANE_OUTPUTS 32

/* Sums of weights that a penalty keeps side by side, of squares and as many of magnitudes. */
#define PENALTY_SUMS 16

/* What a loss says of a minibatch where each lane is a model, and what it is told. */
struct lane_verdict {
    const double *row_weight; /* (n_rows, lanes), or NULL for ones */
    const double *factor;     /* (lanes) */
    double *loss, *right;     /* (lanes): sums over the rows */
    void *row_loss, *row_right; /* (n_rows, lanes) numbers: scratch */
    double *weighted;           /* (n_rows, lanes): scratch */
};

struct kernels {
    size_t size;     /* bytes of a number */
    ptrdiff_t lanes; /* numbers in a vector */

    /* -- a user's arrays: rows order[0 … n_rows), the first n_rows where order is NULL ---------- */

    ptrdiff_t (*count_non_zeros)(const struct dense_input *x, ptrdiff_t n_in, ptrdiff_t row);
    /* Whether all numbers of the first rows are within [low, high], as bytes always are; a NaN is not */
    int (*lies_within)(const struct dense_input *x, ptrdiff_t n_rows, ptrdiff_t n_in, double low,
                       double high);
    int (*holds_flags)(const struct dense_input *x, ptrdiff_t n_rows, ptrdiff_t n_in);
    /* out = x[order], bytes multiplied by scale */
    void (*gather)(const struct dense_input *x, const int64_t *order, ptrdiff_t n_rows,
                   ptrdiff_t n_in, double scale, void *out, ptrdiff_t out_row);
    /* table[b] = b · scale, for bytes 0 to 255 */
    void (*scale_bytes)(double scale, void *table);
    void (*gather_masked)(const struct dense_input *x, const int64_t *order, ptrdiff_t n_rows,
                          ptrdiff_t n_in, double scale, const struct masked *out);
    /* Make words [begin, end) of a row's column masks, of all columns they stand for. */
    void (*transpose_masks)(const struct masked *x, ptrdiff_t n_rows, ptrdiff_t n_in,
                            ptrdiff_t begin, ptrdiff_t end);
    /* Returns whether the entries lie inside the matrix, as they did when they were checked; those
       that do not, because another thread has changed them since, are left out. */
    int (*gather_sparse)(const struct csr_input *x, const int64_t *order, ptrdiff_t n_rows,
                         double scale, const struct sparse *out);
    /* The way back: out's strides in bytes, of either sign */
    void (*write_rows)(ptrdiff_t n_rows, ptrdiff_t n_out, const void *h, ptrdiff_t h_row,
                       char *out, ptrdiff_t row_stride, ptrdiff_t column_stride);

    /* -- products ------------------------------------------------------------------------------ */

    /* panel is scratch of PANEL_VECTORS 64-byte vectors and BLOCK_COLUMNS numbers for each term. */

    /* out = x · weight + bias, h = activation(out); next may be NULL */
    void (*forward)(ptrdiff_t n_rows, ptrdiff_t n_in, ptrdiff_t n_out, const void *x,
                    ptrdiff_t x_row, const void *weight, ptrdiff_t weight_row,
                    const struct epilogue *epilogue, const struct upcoming *next, void *panel,
                    void *out, ptrdiff_t out_row);
    void (*forward_masked)(ptrdiff_t n_rows, ptrdiff_t n_in, ptrdiff_t n_out,
                           const struct masked *x, const void *weight, ptrdiff_t weight_row,
                           const struct epilogue *epilogue, const struct upcoming *next, void *out,
                           ptrdiff_t out_row);
    void (*forward_sparse)(ptrdiff_t n_rows, ptrdiff_t n_out, const struct sparse *x,
                           const void *weight, ptrdiff_t weight_row,
                           const struct epilogue *epilogue, void *out, ptrdiff_t out_row);
    /* out += scale · xᵀ · delta, or without `add` out = xᵀ · delta */
    void (*outer)(ptrdiff_t n_rows, ptrdiff_t n_in, ptrdiff_t n_out, const void *x,
                  ptrdiff_t x_row, const void *delta, ptrdiff_t delta_row, double scale, int add,
                  void *panel, void *out, ptrdiff_t out_row);
    /* The same for columns [begin, end) of x, out being their part of the gradient. */
    void (*outer_masked)(ptrdiff_t n_rows, ptrdiff_t begin, ptrdiff_t end, ptrdiff_t n_out,
                         const struct masked *x, const void *delta, ptrdiff_t delta_row,
                         double scale, int add, void *out, ptrdiff_t out_row);
    void (*outer_sparse)(ptrdiff_t n_rows, ptrdiff_t begin, ptrdiff_t end, ptrdiff_t n_out,
                         const struct sparse *x, const void *delta, ptrdiff_t delta_row,
                         double scale, int add, void *out, ptrdiff_t out_row);
    /* out += scale · (sum of delta's rows), or without `add` out = sum of delta's rows */
    void (*column_sums)(ptrdiff_t n_rows, ptrdiff_t n_out, const void *delta, ptrdiff_t delta_row,
                        double scale, int add, void *out);
    /* out (n_rows, n_in) = delta · weightᵀ */
    void (*backward)(ptrdiff_t n_rows, ptrdiff_t n_in, ptrdiff_t n_out, const void *delta,
                     ptrdiff_t delta_row, const void *weight, ptrdiff_t weight_row, void *panel,
                     void *out, ptrdiff_t out_row);

    /* -- derivatives, dropout ------------------------------------------------------------------ */

    /* delta *= activation', taken from the output y (of gelu, silu and mish: from z); of softmax, whose
       derivative is a matrix, delta = y ∘ (delta − Σ y ∘ delta) */
    void (*derive)(enum activation activation, ptrdiff_t n_rows, ptrdiff_t n_out, const void *y,
                   ptrdiff_t y_row, void *delta, ptrdiff_t delta_row);
    /* out = h · mask / (1 - rate), the mask that fastnn.backends.dropout defines: units are counted
       along the rows of the whole layer, `width` wide, from `first`, the first unit of h. */
    void (*drop)(uint64_t key, uint32_t threshold, double rate, ptrdiff_t first, ptrdiff_t width,
                 ptrdiff_t n_rows, ptrdiff_t n_out, const void *h, ptrdiff_t h_row, void *out,
                 ptrdiff_t out_row);

    /* -- losses: of each row, weighted, and its weight if it is classified right; delta scaled by
          weight · factor; row_weight may be NULL for ones, delta may be z ------------------------ */

    void (*softmax)(ptrdiff_t n_rows, ptrdiff_t n_out, const void *z, ptrdiff_t z_row, void *out,
                    ptrdiff_t out_row);
    void (*softmax_cross_entropy)(ptrdiff_t n_rows, ptrdiff_t n_out, const void *z,
                                  ptrdiff_t z_row, const int64_t *labels,
                                  const double *row_weight, double factor, double smoothing,
                                  void *delta, ptrdiff_t delta_row, double *row_loss,
                                  double *row_right);
    /* of h = activation(z), one of LOSS_ACTIVATIONS; constants (n_out) of the loss, padded too */
    void (*elementwise_loss)(enum loss loss, enum activation activation, ptrdiff_t n_rows,
                             ptrdiff_t n_out, const void *z, ptrdiff_t z_row, const void *target,
                             ptrdiff_t target_row, const double *row_weight, double factor,
                             const void *constants, void *delta, ptrdiff_t delta_row,
                             double *row_loss, double *row_right);

    /* -- parameters: parts of matrices, n_out wide, with the state at the stride of the parameters */

    void (*update)(const struct step *step, ptrdiff_t n_rows, ptrdiff_t n_out, void *params,
                   ptrdiff_t params_row, const void *grads, ptrdiff_t grads_row, void *first,
                   void *second);
    /* grads += l2 · weight + l1 · sign(weight) */
    void (*add_penalty)(ptrdiff_t n_rows, ptrdiff_t n_out, const void *weight, ptrdiff_t weight_row,
                        double l1, double l2, void *grads, ptrdiff_t grads_row);

    /* -- a first layer with scaled inputs, V = diag(s) W: rows of V, of W (raw), of the gradient by V
          and of the state for W have one stride; vectors for s lie scales_row numbers apart: s, then
          its state */

    /* Rows of V that are not those of diag(s) W become W's, and their s 1. */
    void (*begin_scaled)(ptrdiff_t n_in, ptrdiff_t n_out, const void *seen, ptrdiff_t row, void *raw,
                         void *scales);
    /* W and s by their rules, then V */
    void (*update_scaled)(const struct step *of_weights, const struct step *of_scales,
                          ptrdiff_t n_rows, ptrdiff_t n_out, const void *grads, ptrdiff_t row,
                          void *raw, void *first, void *second, void *scales,
                          ptrdiff_t scales_row, void *seen);
    /* Columns of W times factors, then V */
    void (*scale_columns)(ptrdiff_t n_in, ptrdiff_t n_out, const double *factors, void *raw,
                          ptrdiff_t row, const void *scales, void *seen);

    /* -- over vectors of n parameters ---------------------------------------------------------- */

    /* l1 Σ|w| + l2/2 Σw² */
    double (*penalty)(ptrdiff_t n, const void *weights, double l1, double l2);
    double (*sum_of_squares)(ptrdiff_t n, const void *values);
    void (*scale)(ptrdiff_t n, double factor, void *values);
    /* Columns longer than max_norm are scaled down to it; norms, n_out doubles, receives the factors
       by which all columns are multiplied. */
    void (*limit_column_norms)(ptrdiff_t n_in, ptrdiff_t n_out, double max_norm, double *norms,
                               void *weight, ptrdiff_t weight_row);

    /* -- many small networks, a model in each lane: a number of a matrix is a vector, with one number of
          each model, and rows lie one after the other without padding. Of a model in its lane, results
          have the bits that the kernels above give for it alone. ---------------------------------- */

    /* The most rows of an `outer` that are summed before they are scaled and added */
    ptrdiff_t slice_terms;
    /* n neighbouring numbers of a model into its lane, and out of it; `lane` is its first number */
    void (*enter_lane)(ptrdiff_t n, const void *from, void *lane);
    void (*leave_lane)(ptrdiff_t n, const void *lane, void *to);
    /* out = x[orders[lane]], of each lane's rows of one input */
    void (*gather_lanes)(const struct dense_input *x, const int64_t *const *orders, ptrdiff_t n_rows,
                         ptrdiff_t n_in, double scale, void *out);
    void (*forward_lanes)(ptrdiff_t n_rows, ptrdiff_t n_in, ptrdiff_t n_out, const void *x,
                          const void *weight, const struct epilogue *epilogue, void *out);
    /* out = xᵀ · delta */
    void (*outer_lanes)(ptrdiff_t n_rows, ptrdiff_t n_in, ptrdiff_t n_out, const void *x,
                        const void *delta, void *out);
    /* out = sum of delta's rows */
    void (*column_sums_lanes)(ptrdiff_t n_rows, ptrdiff_t n_out, const void *delta, void *out);
    /* out (n_rows, n_in) = (delta · weightᵀ) ∘ activation', as of derive */
    void (*backward_lanes)(ptrdiff_t n_rows, ptrdiff_t n_in, ptrdiff_t n_out, const void *delta,
                           const void *weight, enum activation activation, const void *y,
                           void *out);
    /* out (n_rows, lanes): integers as wide as the table's numbers, of each lane's rows of y, whose
       labels lie `stride` bytes apart; returns whether all are classes */
    int (*gather_labels_lanes)(const char *y, ptrdiff_t stride, const int64_t *const *orders,
                               ptrdiff_t n_rows, ptrdiff_t n_classes, void *out);
    void (*cross_entropy_lanes)(ptrdiff_t n_rows, ptrdiff_t n_out, const void *z, const void *labels,
                                double smoothing, const struct lane_verdict *verdict, void *delta);
    /* constants (n_out) are numbers, the same in each lane */
    void (*elementwise_loss_lanes)(enum loss loss, enum activation activation, ptrdiff_t n_rows,
                                   ptrdiff_t n_out, const void *z, const void *target,
                                   const void *constants, const struct lane_verdict *verdict,
                                   void *delta);
    /* n parameters, with a step of one rule for each lane */
    void (*update_lanes)(const struct step *steps, ptrdiff_t n, void *params, const void *grads,
                         void *first, void *second);
    /* n weights; l1, l2 (lanes) */
    void (*add_penalty_lanes)(ptrdiff_t n, const double *l1, const double *l2, const void *weight,
                              void *grads);
    /* Add those of a layer's weights to sums (2, PENALTY_SUMS, lanes) that have one of n_slots places
       among the parameters of a model; its first has place `slot`, and its rows are stride apart. Then
       add what that makes to penalty (lanes). */
    void (*sum_weights_lanes)(ptrdiff_t n_in, ptrdiff_t n_out, ptrdiff_t slot, ptrdiff_t stride,
                              ptrdiff_t n_slots, const void *weight, double *sums);
    void (*add_penalties_lanes)(const double *sums, const double *l1, const double *l2,
                                double *penalty);
};

/* The instruction set that serves `name` (those of dispatch.c; NULL: the widest that runs here), or
   NULL with *known saying whether such a name exists at all. */
struct instruction_set {
    const char *name;
    const struct kernels *single, *real_double;
};
const struct instruction_set *choose_instruction_set(const char *name, int *known);

/* The name of the n-th instruction set that runs here, the widest being the 0th; NULL behind the last. */
const char *runnable_instruction_set(size_t n);

/* The compiler that built this, if it has no vector types, so that the baseline computes number by number;
   NULL if it has. */
const char *scalar_compiler(void);

#endif
