"""The programs and kernels of the Cython backend: loops here, arithmetic in ``simd/``.

Everything below works on bytes: an array is a ``char *``, and how wide its numbers are and how they
are multiplied is known to the table of C kernels that the instruction set and dtype select (see
``simd/kernels.h``, which also states the shapes). What Python hands in comes through ``_door.pxi``;
the GIL is released around the work.
"""

import os
from _thread import start_new_thread
from sys import is_finalizing

from cpython.buffer cimport (
    PyBUF_FORMAT,
    PyBUF_STRIDES,
    PyBUF_WRITABLE,
    PyBuffer_Release,
    PyObject_GetBuffer,
)
from cpython.pythread cimport (
    PyThread_acquire_lock,
    PyThread_allocate_lock,
    PyThread_release_lock,
    PyThread_type_lock,
)
from cython cimport critical_section, final
from libc.math cimport pow, sqrt
from libc.stdint cimport int64_t, uint32_t, uint64_t, uintptr_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy, memset

cdef extern from "simd/kernels.h" nogil:
    enum activation:
        IDENTITY, GELU, SILU, EXP, SOFTMAX
    enum loss:
        CROSS_ENTROPY, ABSOLUTE_ERROR
    enum rule:
        SGD, ADAM, ADAMW
    enum:
        PANEL_VECTORS, BLOCK_COLUMNS
    enum input_type:
        INPUT_FLOAT, INPUT_DOUBLE, INPUT_BYTE

    struct step:
        rule rule
        double learning_rate, first_decay, second_decay, epsilon, shrink, size, correction

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

    struct kernels:
        size_t size
        Py_ssize_t lanes
        Py_ssize_t (*count_non_zeros)(
            const dense_input *x, Py_ssize_t n_in, Py_ssize_t row
        ) noexcept nogil
        void (*gather)(
            const dense_input *x, const int64_t *order, Py_ssize_t n_rows, Py_ssize_t n_in,
            double scale, void *out, Py_ssize_t out_row
        ) noexcept nogil
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
            const int64_t *labels, const double *row_weight, double factor, void *delta,
            Py_ssize_t delta_row, double *row_loss, double *row_right
        ) noexcept nogil
        void (*elementwise_loss)(
            loss loss, Py_ssize_t n_rows, Py_ssize_t n_out, const void *z, Py_ssize_t z_row,
            const void *target, Py_ssize_t target_row, const double *row_weight, double factor,
            double huber_delta, void *delta, Py_ssize_t delta_row, double *row_loss,
            double *row_right
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

    struct instruction_set:
        const char *name
        const kernels *single
        const kernels *real_double

    const instruction_set *choose_instruction_set(const char *name, int *known)
    const char *runnable_instruction_set(size_t n)

cdef extern from "simd/float_mode.h" nogil:
    uint64_t flush_subnormals()
    void restore_float_mode(uint64_t mode)

cdef extern from "simd/barrier.h" nogil:
    ctypedef long shared_number
    struct barrier:
        pass
    long read_shared(shared_number *n)
    void write_shared(shared_number *n, long value)
    long add_one(shared_number *n)
    bint take(shared_number *n)
    void give_way()
    double wait_at(barrier *b, int n_threads)
    double seconds_now()

cdef extern from "Python.h":
    int PyErr_CheckSignals() except -1

include "_arrays.pxi"
include "_door.pxi"
include "_team.pxi"
include "_pool.pxi"
include "_batch.pxi"
include "_contract.pxi"
include "_programs.pxi"
include "_training.pxi"
include "_predictor.pxi"
