"""The programs and kernels of the Cython backend: loops here, arithmetic in ``simd/``.

Everything below works on bytes: an array is a ``char *``, and only the table of C kernels, selected
by instruction set and dtype, knows the number type (see
``simd/kernels.h``, which also states the shapes). The GIL is released around the work.

The parts, each of which depends on those before it:

    table                                the C kernels and their types
    arrays, parts, gate, pace            memory layout; division of work among threads
    batch, network, prediction           a minibatch, and the forward pass
    shared, dropout, loss, groups,
    gradient, scaling, limits, step      a step of training
    lanes, lane_step                     a step of many small networks at once
    vocabulary, memory, spares, door     names, memory and arrays from Python
    team, pool                           threads
    program, training                    the programs
    lane_pass                            many small networks at once, one in each lane
    packed, predictor                    a network for serving
    minibatch, step_pass, steps          steps, called with one minibatch after the other
    fits, measuring, generators, models,
    models_in_lanes, models_door         whole fits of many models
    contract                             the kernels one by one

Those without Python objects are ``.pxd`` files, cimported by name; the others are included below.
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
from cpython.number cimport PyIndex_Check
from cpython.pycapsule cimport PyCapsule_GetPointer
from cpython.pythread cimport (
    PyThread_acquire_lock,
    PyThread_allocate_lock,
    PyThread_release_lock,
    PyThread_type_lock,
)
from cpython.ref cimport Py_DECREF, Py_INCREF, PyObject
from cython cimport critical_section, final
from libc.float cimport DBL_MAX, DBL_MIN, FLT_MAX
from libc.math cimport INFINITY, NAN, isfinite
from libc.stdint cimport (
    INT64_MAX,
    int8_t,
    int16_t,
    int32_t,
    int64_t,
    uint8_t,
    uint16_t,
    uint32_t,
    uint64_t,
    uintptr_t,
)
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy, memset

from kernels.cython.arrays cimport (
    ALIGNMENT,
    Array,
    Input,
    Space,
    allow,
    forbid,
    padded,
    panel_bytes,
    reserve,
    row_start,
    rows_from,
)
from kernels.cython.batch cimport (
    CSR,
    DENSE,
    MASKED,
    Batch,
    Form,
    fetch,
    form_of,
    forward,
    index_columns,
    lay_out_batch,
    most_non_zeros,
    outer,
)
from kernels.cython.fits cimport (
    ACCURACY,
    COMPLETED,
    DIVERGED,
    INTERRUPTED,
    IN_TURN,
    LOSS,
    N_METRICS,
    PENALTY,
    STOPPED,
    VAL_ACCURACY,
    VAL_LOSS,
    Ending,
    Progress,
    Recipe,
    Shuffling,
    Stopping,
    asks_to_stop,
    bit_generator,
    draw_order,
    pcg64_next,
    pcg64_next_half,
    shuffle,
)
from kernels.cython.gate cimport (
    Gate,
    add_one,
    barrier,
    give_way,
    handicap,
    read_shared,
    seconds_now,
    shared_number,
    take,
    wait,
    write_shared,
)
from kernels.cython.lane_step cimport LaneConstants, prepare_lanes, train_lanes
from kernels.cython.lanes cimport (
    MOST_LANES,
    Lanes,
    clear_sums,
    lanes_take,
    lay_out_lanes,
    load_model,
    store_model,
    store_vector,
)
from kernels.cython.loss cimport add_up, judge
from kernels.cython.gradient cimport add_gradient
from kernels.cython.groups cimport prepare_groups
from kernels.cython.measuring cimport Measured, Measuring, lay_out_measuring, measure
from kernels.cython.network cimport Activations, Layer, Network, Workspace, work_of_a_row
from kernels.cython.pace cimport (
    ALONE,
    MOST_PACES,
    TEAM,
    Pace,
    give_back_pace,
    record,
    seconds_to_go,
    take_pace,
    way_to_go,
)
from kernels.cython.parts cimport ROW_BLOCK, Part, rows_of
from kernels.cython.scaling cimport begin_scaling
from kernels.cython.prediction cimport PREDICTED_TOGETHER, lay_out_prediction, predict_rows
from kernels.cython.shared cimport (
    Options,
    Shared,
    clear_gradient,
    has_penalty,
    lay_out,
    n_steps,
)
from kernels.cython.step cimport (
    backward_batch,
    fetch_rows,
    forward_batch,
    normalize,
    train_batch,
    update_limited,
)
from kernels.cython.table cimport (
    ACTIVATION_NAMES,
    CROSS_ENTROPY,
    EXP,
    FEW_ROWS,
    INPUT_BYTE,
    INPUT_TYPE_NAMES,
    LEAKY_RELU_SLOPE,
    LOSS_ACTIVATION_NAMES,
    LOSS_NAMES,
    RULE_NAMES,
    SELU_ALPHA_VALUE,
    SELU_SCALE_VALUE,
    SOFTMAX,
    activation,
    choose_instruction_set,
    dense_input,
    epilogue,
    flush_subnormals,
    input_size,
    input_type,
    input_type_of,
    instruction_set,
    kernels,
    loss,
    prepare_step,
    restore_float_mode,
    rule,
    runnable_instruction_set,
    scalar_compiler,
    step,
    vectors_of_rule,
)

cdef extern from "Python.h":
    int PyErr_CheckSignals() except -1

include "vocabulary.pxi"
include "memory.pxi"
include "spares.pxi"
include "door.pxi"
include "team.pxi"
include "pool.pxi"
include "program.pxi"
include "training.pxi"
include "lane_pass.pxi"
include "packed.pxi"
include "predictor.pxi"
include "minibatch.pxi"
include "step_pass.pxi"
include "steps.pxi"
include "generators.pxi"
include "models.pxi"
include "models_in_lanes.pxi"
include "models_door.pxi"
include "contract.pxi"
