"""The table of C kernels and their types: Cython declarations for `simd/`.

`simd/kernels.h` describes each kernel, with shapes.
"""

from libc.stdint cimport int64_t, uint32_t, uint64_t

cdef extern from "simd/vocabulary.h" nogil:
    enum activation:
        IDENTITY, EXP, SOFTMAX
    enum loss:
        CROSS_ENTROPY
    enum rule:
        SGD
    enum input_type:
        INPUT_FLOAT, INPUT_DOUBLE, INPUT_BYTE
    const char *const ACTIVATION_NAMES[]
    const char *const LOSS_NAMES[]
    const char *const LOSS_ACTIVATION_NAMES[]
    const char *const RULE_NAMES[]
    const char *const INPUT_TYPE_NAMES[]
    const double LEAKY_RELU_SLOPE "LEAKY_SLOPE"
    const double SELU_ALPHA_VALUE "SELU_ALPHA"
    const double SELU_SCALE_VALUE "SELU_SCALE"
    int vectors_of_rule(int rule)
    int input_type_of(char letter)
    Py_ssize_t input_size(input_type type)

cdef extern from "simd/rules.h" nogil:
    struct step:
        rule rule
        double learning_rate, first_decay, second_decay, epsilon, shrink, first_bias, size
        double correction
    void prepare_update(step *s, int64_t t)
    void prepare_rate(step *s, double weight_decay, double rate)
    void prepare_step(step *s, double weight_decay, double rate, int64_t t)

cdef extern from "simd/kernels.h" nogil:
    enum:
        PANEL_VECTORS, BLOCK_COLUMNS, FEW_ROWS, LANE_OUTPUTS, PENALTY_SUMS

    struct dense_input:
        const char *data
        input_type type
        Py_ssize_t row_stride, column_stride

    struct csr_input:
        const void *data
        const void *indices
        const void *indptr
        input_type type
        int wide
        Py_ssize_t n_entries, n_in

    struct sparse:
        Py_ssize_t *start
        Py_ssize_t *column
        void *value
        Py_ssize_t room

    struct masked:
        uint64_t *row_mask
        uint64_t *column_mask
        unsigned char *bytes
        Py_ssize_t bytes_row
        void *table
        void *numbers
        Py_ssize_t numbers_row

    struct upcoming:
        dense_input input
        const int64_t *order
        Py_ssize_t n_rows

    struct epilogue:
        const void *bias
        activation activation
        void *h

    struct lane_verdict:
        const double *row_weight
        const double *factor
        double *loss
        double *right
        void *row_loss
        void *row_right
        double *weighted

    struct kernels:
        size_t size
        Py_ssize_t lanes
        Py_ssize_t (*count_non_zeros)(
            const dense_input *x, Py_ssize_t n_in, Py_ssize_t row
        ) noexcept nogil
        bint (*lies_within)(
            const dense_input *x, Py_ssize_t n_rows, Py_ssize_t n_in, double low, double high
        ) noexcept nogil
        bint (*holds_flags)(
            const dense_input *x, Py_ssize_t n_rows, Py_ssize_t n_in
        ) noexcept nogil
        void (*gather)(
            const dense_input *x, const int64_t *order, Py_ssize_t n_rows, Py_ssize_t n_in,
            double scale, void *out, Py_ssize_t out_row
        ) noexcept nogil
        void (*scale_bytes)(double scale, void *table) noexcept nogil
        void (*gather_masked)(
            const dense_input *x, const int64_t *order, Py_ssize_t n_rows, Py_ssize_t n_in,
            double scale, const masked *out
        ) noexcept nogil
        void (*transpose_masks)(
            const masked *x, Py_ssize_t n_rows, Py_ssize_t n_in, Py_ssize_t begin, Py_ssize_t end
        ) noexcept nogil
        bint (*gather_sparse)(
            const csr_input *x, const int64_t *order, Py_ssize_t n_rows, double scale,
            const sparse *out
        ) noexcept nogil
        void (*write_rows)(
            Py_ssize_t n_rows, Py_ssize_t n_out, const void *h, Py_ssize_t h_row, char *out,
            Py_ssize_t row_stride, Py_ssize_t column_stride
        ) noexcept nogil
        void (*forward)(
            Py_ssize_t n_rows, Py_ssize_t n_in, Py_ssize_t n_out, const void *x,
            Py_ssize_t x_row, const void *weight, Py_ssize_t weight_row,
            const epilogue *epilogue, const upcoming *next, void *panel, void *out,
            Py_ssize_t out_row
        ) noexcept nogil
        void (*forward_masked)(
            Py_ssize_t n_rows, Py_ssize_t n_in, Py_ssize_t n_out, const masked *x,
            const void *weight, Py_ssize_t weight_row, const epilogue *epilogue,
            const upcoming *next, void *out, Py_ssize_t out_row
        ) noexcept nogil
        void (*forward_sparse)(
            Py_ssize_t n_rows, Py_ssize_t n_out, const sparse *x, const void *weight,
            Py_ssize_t weight_row, const epilogue *epilogue, void *out, Py_ssize_t out_row
        ) noexcept nogil
        void (*outer)(
            Py_ssize_t n_rows, Py_ssize_t n_in, Py_ssize_t n_out, const void *x,
            Py_ssize_t x_row, const void *delta, Py_ssize_t delta_row, double scale, bint add,
            void *panel, void *out, Py_ssize_t out_row
        ) noexcept nogil
        void (*outer_masked)(
            Py_ssize_t n_rows, Py_ssize_t begin, Py_ssize_t end, Py_ssize_t n_out,
            const masked *x, const void *delta, Py_ssize_t delta_row, double scale, bint add,
            void *out, Py_ssize_t out_row
        ) noexcept nogil
        void (*outer_sparse)(
            Py_ssize_t n_rows, Py_ssize_t begin, Py_ssize_t end, Py_ssize_t n_out,
            const sparse *x, const void *delta, Py_ssize_t delta_row, double scale, bint add,
            void *out, Py_ssize_t out_row
        ) noexcept nogil
        void (*column_sums)(
            Py_ssize_t n_rows, Py_ssize_t n_out, const void *delta, Py_ssize_t delta_row,
            double scale, bint add, void *out
        ) noexcept nogil
        void (*backward)(
            Py_ssize_t n_rows, Py_ssize_t n_in, Py_ssize_t n_out, const void *delta,
            Py_ssize_t delta_row, const void *weight, Py_ssize_t weight_row, void *panel,
            void *out, Py_ssize_t out_row
        ) noexcept nogil
        void (*derive)(
            activation activation, Py_ssize_t n_rows, Py_ssize_t n_out, const void *y,
            Py_ssize_t y_row, void *delta, Py_ssize_t delta_row
        ) noexcept nogil
        void (*drop)(
            uint64_t key, uint32_t threshold, double rate, Py_ssize_t first, Py_ssize_t width,
            Py_ssize_t n_rows, Py_ssize_t n_out, const void *h, Py_ssize_t h_row, void *out,
            Py_ssize_t out_row
        ) noexcept nogil
        void (*softmax)(
            Py_ssize_t n_rows, Py_ssize_t n_out, const void *z, Py_ssize_t z_row, void *out,
            Py_ssize_t out_row
        ) noexcept nogil
        void (*softmax_cross_entropy)(
            Py_ssize_t n_rows, Py_ssize_t n_out, const void *z, Py_ssize_t z_row,
            const int64_t *labels, const double *row_weight, double factor, double smoothing,
            void *delta, Py_ssize_t delta_row, double *row_loss, double *row_right
        ) noexcept nogil
        void (*elementwise_loss)(
            loss loss, activation activation, Py_ssize_t n_rows, Py_ssize_t n_out,
            const void *z, Py_ssize_t z_row, const void *target, Py_ssize_t target_row,
            const double *row_weight, double factor, const void *constants, void *delta,
            Py_ssize_t delta_row, double *row_loss, double *row_right
        ) noexcept nogil
        void (*update)(
            const step *step, Py_ssize_t n_rows, Py_ssize_t n_out, void *params,
            Py_ssize_t params_row, const void *grads, Py_ssize_t grads_row, void *first,
            void *second
        ) noexcept nogil
        void (*add_penalty)(
            Py_ssize_t n_rows, Py_ssize_t n_out, const void *weight, Py_ssize_t weight_row,
            double l1, double l2, void *grads, Py_ssize_t grads_row
        ) noexcept nogil
        void (*begin_scaled)(
            Py_ssize_t n_in, Py_ssize_t n_out, const void *seen, Py_ssize_t row, void *raw,
            void *scales
        ) noexcept nogil
        void (*update_scaled)(
            const step *of_weights, const step *of_scales, Py_ssize_t n_rows, Py_ssize_t n_out,
            const void *grads, Py_ssize_t row, void *raw, void *first, void *second,
            void *scales, Py_ssize_t scales_row, void *seen
        ) noexcept nogil
        void (*scale_columns)(
            Py_ssize_t n_in, Py_ssize_t n_out, const double *factors, void *raw, Py_ssize_t row,
            const void *scales, void *seen
        ) noexcept nogil
        double (*penalty)(
            Py_ssize_t n, const void *weights, double l1, double l2
        ) noexcept nogil
        double (*sum_of_squares)(
            Py_ssize_t n, const void *values
        ) noexcept nogil
        void (*scale)(
            Py_ssize_t n, double factor, void *values
        ) noexcept nogil
        void (*limit_column_norms)(
            Py_ssize_t n_in, Py_ssize_t n_out, double max_norm, double *norms, void *weight,
            Py_ssize_t weight_row
        ) noexcept nogil
        Py_ssize_t slice_terms
        void (*enter_lane)(Py_ssize_t n, const void *source, void *lane) noexcept nogil
        void (*leave_lane)(Py_ssize_t n, const void *lane, void *to) noexcept nogil
        void (*gather_lanes)(
            const dense_input *x, const int64_t *const *orders, Py_ssize_t n_rows,
            Py_ssize_t n_in, double scale, void *out
        ) noexcept nogil
        void (*forward_lanes)(
            Py_ssize_t n_rows, Py_ssize_t n_in, Py_ssize_t n_out, const void *x,
            const void *weight, const epilogue *epilogue, void *out
        ) noexcept nogil
        void (*outer_lanes)(
            Py_ssize_t n_rows, Py_ssize_t n_in, Py_ssize_t n_out, const void *x,
            const void *delta, void *out
        ) noexcept nogil
        void (*column_sums_lanes)(
            Py_ssize_t n_rows, Py_ssize_t n_out, const void *delta, void *out
        ) noexcept nogil
        void (*backward_lanes)(
            Py_ssize_t n_rows, Py_ssize_t n_in, Py_ssize_t n_out, const void *delta,
            const void *weight, activation activation, const void *y, void *out
        ) noexcept nogil
        bint (*gather_labels_lanes)(
            const char *y, Py_ssize_t stride, const int64_t *const *orders, Py_ssize_t n_rows,
            Py_ssize_t n_classes, void *out
        ) noexcept nogil
        void (*cross_entropy_lanes)(
            Py_ssize_t n_rows, Py_ssize_t n_out, const void *z, const void *labels,
            double smoothing, const lane_verdict *verdict, void *delta
        ) noexcept nogil
        void (*elementwise_loss_lanes)(
            loss loss, activation activation, Py_ssize_t n_rows, Py_ssize_t n_out,
            const void *z, const void *target, const void *constants,
            const lane_verdict *verdict, void *delta
        ) noexcept nogil
        void (*update_lanes)(
            const step *steps, Py_ssize_t n, void *params, const void *grads, void *first,
            void *second
        ) noexcept nogil
        void (*add_penalty_lanes)(
            Py_ssize_t n, const double *l1, const double *l2, const void *weight, void *grads
        ) noexcept nogil
        void (*sum_weights_lanes)(
            Py_ssize_t n_in, Py_ssize_t n_out, Py_ssize_t slot, Py_ssize_t stride,
            Py_ssize_t n_slots, const void *weight, double *sums
        ) noexcept nogil
        void (*add_penalties_lanes)(
            const double *sums, const double *l1, const double *l2, double *penalty
        ) noexcept nogil

    struct instruction_set:
        const char *name
        const kernels *single
        const kernels *real_double

    const instruction_set *choose_instruction_set(const char *name, int *known)
    const char *runnable_instruction_set(size_t n)
    const char *scalar_compiler()

cdef extern from "simd/float_mode.h" nogil:
    uint64_t flush_subnormals()
    void restore_float_mode(uint64_t mode)
