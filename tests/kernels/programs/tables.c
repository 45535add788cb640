/* Call every kernel of every table of this processor, and write the results into a file.

       tables FILE

   A result is a line with its name and how many numbers it has, then the numbers, as doubles. Builds
   by different compilers and for different systems get the same inputs, so their files can be compared:
   names begin with the instruction set and the number type. Where a model is in each lane, its numbers
   depend on the model alone, and a result is one model's. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "simd/kernels.h"

static FILE *file;
static const char *set_name;
static const struct kernels *k;

/* -- memory: zeros, aligned to 64 bytes, free again after each case --------------------------------- */

#define ARENA ((size_t)1 << 24)
static char *arena;
static size_t used;

static void *zeros(size_t n_bytes) {
    char *const piece = arena + used;
    used += (n_bytes + 127) / 64 * 64; /* and at least one line that stays zero */
    if (used > ARENA) {
        fprintf(stderr, "the arena is too small\n");
        exit(1);
    }
    return piece;
}

static void next_case(void) {
    memset(arena, 0, used);
    used = 0;
}

/* -- numbers ---------------------------------------------------------------------------------------- */

static void put(void *array, ptrdiff_t i, double value) {
    if (k->size == sizeof(float))
        ((float *)array)[i] = (float)value;
    else
        ((double *)array)[i] = value;
}

static double get(const void *array, ptrdiff_t i) {
    return k->size == sizeof(float) ? (double)((const float *)array)[i] : ((const double *)array)[i];
}

/* From -1 to 1, a multiple of 2^-11, so that it is the same number in float and double. What is drawn
   depends on the seed alone, not on the order in which a compiler evaluates arguments. */
static uint64_t seed;
static double draw(void) {
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (double)(int)(seed >> 52) / 2048.0 - 1.0;
}

/* The stride of rows of n numbers: whole vectors of 64 bytes. */
static ptrdiff_t padded(ptrdiff_t n) {
    const ptrdiff_t line = 64 / (ptrdiff_t)k->size;
    return (n + line - 1) / line * line;
}

static void *matrix(ptrdiff_t n_rows, ptrdiff_t n_out) {
    return zeros((size_t)(n_rows * padded(n_out)) * k->size);
}

static void *drawn(uint64_t which, ptrdiff_t n_rows, ptrdiff_t n_out) {
    void *const m = matrix(n_rows, n_out);
    seed = which << 32;
    for (ptrdiff_t i = 0; i < n_rows; i++)
        for (ptrdiff_t j = 0; j < n_out; j++) put(m, i * padded(n_out) + j, draw());
    return m;
}

/* -- results ---------------------------------------------------------------------------------------- */

static char what[200];
#define CALLED(...) (next_case(), snprintf(what, sizeof what, __VA_ARGS__))

static void begin(const char *part, ptrdiff_t n) {
    fprintf(file, "%s %s %s %s %d\n", set_name, k->size == sizeof(float) ? "float" : "double", what,
            part, (int)n);
}

static void number(double value) { fwrite(&value, sizeof value, 1, file); }

static void wrote_doubles(const char *part, const double *numbers, ptrdiff_t n) {
    begin(part, n);
    for (ptrdiff_t i = 0; i < n; i++) number(numbers[i]);
}

static void wrote_numbers(const char *part, const void *m, ptrdiff_t n_rows, ptrdiff_t n_out) {
    begin(part, n_rows * n_out);
    for (ptrdiff_t i = 0; i < n_rows; i++)
        for (ptrdiff_t j = 0; j < n_out; j++) number(get(m, i * padded(n_out) + j));
}

/* With the padding, where kernels keep it zero. */
static void wrote(const char *part, const void *m, ptrdiff_t n_rows, ptrdiff_t n_out) {
    begin(part, n_rows * padded(n_out));
    for (ptrdiff_t i = 0; i < n_rows * padded(n_out); i++) number(get(m, i));
}

static void wrote_bits(const char *part, const uint64_t *words, ptrdiff_t n) {
    begin(part, 2 * n); /* halves, which doubles hold exactly */
    for (ptrdiff_t i = 0; i < 2 * n; i++) number((double)(uint32_t)(words[i / 2] >> i % 2 * 32));
}

/* -- a user's arrays -------------------------------------------------------------------------------- */

static const ptrdiff_t SHAPES[][3] = {{1, 1, 1}, {3, 17, 5}, {7, 64, 16}, {13, 100, 33},
                                      {66, 100, 40}, {5, 40, 300}};
#define EACH_SHAPE(N_ROWS, N_IN, N_OUT) \
    for (size_t shape = 0; shape < sizeof SHAPES / sizeof *SHAPES; shape++) \
        for (ptrdiff_t N_ROWS = SHAPES[shape][0], N_IN = SHAPES[shape][1], N_OUT = SHAPES[shape][2], \
                       once = 1; once; once = 0)

/* Mostly zeros, by columns or from the last row to the first. */
static struct dense_input input(enum input_type type, int layout, ptrdiff_t n_rows, ptrdiff_t n_in) {
    const ptrdiff_t size = input_size(type);
    char *const data = zeros((size_t)(n_rows * n_in * size));
    struct dense_input x = {data, type, n_in * size, size};
    seed = (uint64_t)type + 1;
    if (layout == 1) x.row_stride = size, x.column_stride = n_rows * size;
    if (layout == 2) x.data = data + (n_rows - 1) * n_in * size, x.row_stride = -n_in * size;
    for (ptrdiff_t i = 0; i < n_rows * n_in; i++) {
        const double value = draw(), kept = draw() < -0.3 ? value : 0.0;
        const unsigned char byte = (unsigned char)(kept * 127.0 + 128.0) * (kept != 0.0);
        const float single = (float)kept;
        if (type == INPUT_BYTE) memcpy(data + i * size, &byte, sizeof byte);
        if (type == INPUT_FLOAT) memcpy(data + i * size, &single, sizeof single);
        if (type == INPUT_DOUBLE) memcpy(data + i * size, &kept, sizeof kept);
    }
    return x;
}

static int64_t *order_of(ptrdiff_t n_rows) {
    int64_t *const order = zeros((size_t)n_rows * sizeof *order);
    for (ptrdiff_t i = 0; i < n_rows; i++) order[i] = (i * 5 + 2) % n_rows;
    return order;
}

static struct masked masked_of(const struct dense_input *x, ptrdiff_t n_rows, ptrdiff_t n_in) {
    const ptrdiff_t row_words = (n_in + 63) / 64, column_words = (n_rows + 63) / 64;
    struct masked m = {0};
    m.row_mask = zeros((size_t)(n_rows * row_words) * 8);
    m.column_mask = zeros((size_t)(64 * row_words * column_words) * 8);
    m.table = zeros(256 * k->size);
    if (x->type == INPUT_BYTE) {
        m.bytes_row = 64 * row_words;
        m.bytes = zeros((size_t)(n_rows * m.bytes_row));
    } else {
        m.numbers_row = padded(n_in);
        m.numbers = matrix(n_rows, n_in);
    }
    k->scale_bytes(0.0078125, m.table);
    k->gather_masked(x, order_of(n_rows), n_rows, n_in, 0.0078125, &m);
    k->transpose_masks(&m, n_rows, n_in, 0, row_words);
    return m;
}

static struct sparse sparse_of(ptrdiff_t n_rows, ptrdiff_t n_in, int wide, int *is_sound) {
    const ptrdiff_t most = n_rows * n_in;
    int64_t *const indices = zeros((size_t)most * 8), *const indptr = zeros((size_t)(n_rows + 1) * 8);
    int32_t *const narrow = zeros((size_t)most * 4), *const starts = zeros((size_t)(n_rows + 1) * 4);
    double *const data = zeros((size_t)most * 8);
    ptrdiff_t n = 0;
    seed = 1;
    for (ptrdiff_t i = 0; i < n_rows; i++) {
        for (ptrdiff_t j = 0; j < n_in; j++) {
            const double value = draw();
            if (draw() > -0.5) continue;
            narrow[n] = (int32_t)(indices[n] = j);
            data[n++] = value;
        }
        starts[i + 1] = (int32_t)(indptr[i + 1] = n);
    }
    const struct csr_input x = {data, wide ? (void *)indices : narrow, wide ? (void *)indptr : starts,
                                INPUT_DOUBLE, wide, n, n_in};
    const struct sparse out = {zeros((size_t)(n_rows + 1) * sizeof(ptrdiff_t)),
                               zeros((size_t)most * sizeof(ptrdiff_t)), zeros((size_t)most * k->size),
                               most};
    *is_sound = k->gather_sparse(&x, order_of(n_rows), n_rows, 1.0, &out);
    return out;
}

static void test_inputs(void) {
    EACH_SHAPE(n_rows, n_in, n_out) {
        for (int type = INPUT_FLOAT; type <= INPUT_BYTE; type++)
            for (int layout = 0; layout < 3; layout++) {
                CALLED("gather %s %d %d", INPUT_TYPE_NAMES[type], layout, (int)shape);
                const struct dense_input x = input((enum input_type)type, layout, n_rows, n_in);
                void *const out = matrix(n_rows, n_in);
                k->gather(&x, order_of(n_rows), n_rows, n_in, 0.25, out, padded(n_in));
                wrote("out", out, n_rows, n_in);
                double *const said = zeros(8 * (size_t)(n_rows + 3));
                for (ptrdiff_t i = 0; i < n_rows; i++)
                    said[i] = (double)k->count_non_zeros(&x, n_in, i);
                said[n_rows] = k->lies_within(&x, n_rows, n_in, -1.5, 1.5);
                said[n_rows + 1] = k->lies_within(&x, n_rows, n_in, -0.25, 1.5);
                said[n_rows + 2] = type == INPUT_BYTE ? 0 : k->holds_flags(&x, n_rows, n_in);
                wrote_doubles("count_non_zeros+lies_within+holds_flags", said, n_rows + 3);
                const struct masked m = masked_of(&x, n_rows, n_in);
                wrote_bits("gather_masked", m.row_mask, n_rows * ((n_in + 63) / 64));
                wrote_bits("transpose_masks", m.column_mask,
                           64 * ((n_in + 63) / 64) * ((n_rows + 63) / 64));
                begin("scale_bytes", 256);
                for (int i = 0; i < 256; i++) number(get(m.table, i));
            }
        for (int wide = 0; wide < 2; wide++) {
            CALLED("gather_sparse %d %d", wide, (int)shape);
            int is_sound;
            const struct sparse s = sparse_of(n_rows, n_in, wide, &is_sound);
            begin("out", 1 + 2 * s.start[n_rows]);
            number(is_sound);
            for (ptrdiff_t i = 0; i < s.start[n_rows]; i++) {
                number((double)s.column[i]);
                number(get(s.value, i));
            }
        }
        CALLED("write_rows %d", (int)shape);
        const void *const h = drawn(1, n_rows, n_out);
        void *const out = matrix(n_rows, n_out), *const turned = matrix(n_out, n_rows);
        const ptrdiff_t size = (ptrdiff_t)k->size;
        k->write_rows(n_rows, n_out, h, padded(n_out), out, padded(n_out) * size, size);
        k->write_rows(n_rows, n_out, h, padded(n_out), turned, size, padded(n_rows) * size);
        wrote("out", out, n_rows, n_out);
        wrote("turned", turned, n_out, n_rows);
    }
}

/* -- products --------------------------------------------------------------------------------------- */

static void *panel_for(ptrdiff_t terms) {
    return zeros((size_t)(terms + 1) * (PANEL_VECTORS * 64 + BLOCK_COLUMNS * 8));
}

static void test_products(void) {
    EACH_SHAPE(n_rows, n_in, n_out) {
        for (int activation = IDENTITY; activation <= SOFTPLUS; activation++) {
            CALLED("forward %s %d", ACTIVATION_NAMES[activation], (int)shape);
            void *const h = matrix(n_rows, n_out), *const z = matrix(n_rows, n_out);
            const struct dense_input next = input(INPUT_FLOAT, 0, n_rows, n_in);
            const struct upcoming upcoming = {next, NULL, n_rows};
            const void *const x = drawn(1, n_rows, n_in), *const weight = drawn(2, n_in, n_out);
            const struct epilogue e = {drawn(3, 1, n_out), (enum activation)activation, h};
            k->forward(n_rows, n_in, n_out, x, padded(n_in), weight, padded(n_out), &e, &upcoming,
                       panel_for(n_in), z, padded(n_out));
            wrote_numbers("z", z, n_rows, n_out);
            wrote_numbers("h", h, n_rows, n_out);
        }
        for (int add = 0; add < 2; add++) {
            CALLED("outer %d %d", add, (int)shape);
            void *const out = drawn(1, n_in, n_out), *const sums = drawn(2, 1, n_out);
            const void *const x = drawn(3, n_rows, n_in), *const delta = drawn(4, n_rows, n_out);
            k->outer(n_rows, n_in, n_out, x, padded(n_in), delta, padded(n_out), 0.5, add,
                     panel_for(n_rows), out, padded(n_out));
            k->column_sums(n_rows, n_out, delta, padded(n_out), 0.5, add, sums);
            wrote("out", out, n_in, n_out);
            wrote("column_sums", sums, 1, n_out);
            for (int type = INPUT_FLOAT; type <= INPUT_BYTE; type++) {
                CALLED("masked %d %s %d", add, INPUT_TYPE_NAMES[type], (int)shape);
                const struct dense_input from = input((enum input_type)type, 0, n_rows, n_in);
                const struct masked m = masked_of(&from, n_rows, n_in);
                void *const z = matrix(n_rows, n_out), *const gradient = drawn(1, n_in, n_out);
                const struct epilogue e = {add ? drawn(2, 1, n_out) : NULL, TANH, z};
                k->forward_masked(n_rows, n_in, n_out, &m, drawn(3, n_in, n_out), padded(n_out), &e,
                                  NULL, z, padded(n_out));
                k->outer_masked(n_rows, 0, n_in, n_out, &m, drawn(4, n_rows, n_out), padded(n_out), 0.5,
                                add, gradient, padded(n_out));
                wrote_numbers("forward_masked", z, n_rows, n_out);
                wrote("outer_masked", gradient, n_in, n_out);
            }
            CALLED("sparse %d %d", add, (int)shape);
            int is_sound;
            const struct sparse s = sparse_of(n_rows, n_in, add, &is_sound);
            void *const z = matrix(n_rows, n_out), *const gradient = drawn(1, n_in, n_out);
            const struct epilogue e = {add ? drawn(2, 1, n_out) : NULL, SIGMOID, z};
            k->forward_sparse(n_rows, n_out, &s, drawn(3, n_in, n_out), padded(n_out), &e, z,
                              padded(n_out));
            k->outer_sparse(n_rows, 0, n_in, n_out, &s, drawn(4, n_rows, n_out), padded(n_out), 0.5, add,
                            gradient, padded(n_out));
            wrote_numbers("forward_sparse", z, n_rows, n_out);
            wrote("outer_sparse", gradient, n_in, n_out);
        }
        CALLED("backward %d", (int)shape);
        void *const out = matrix(n_rows, n_in);
        k->backward(n_rows, n_in, n_out, drawn(1, n_rows, n_out), padded(n_out), drawn(2, n_in, n_out),
                    padded(n_out), panel_for(n_out), out, padded(n_in));
        wrote("out", out, n_rows, n_in);
    }
}

/* -- activations, losses ------------------------------------------------------------------------------ */

static void test_special_numbers(void) {
    const double special[] = {1e9 * 1e300, -1e9 * 1e300, -0.0, 0.0, 1e-40, 88.5, -104.0, 710.0, -746.0};
    const ptrdiff_t n = sizeof special / sizeof *special;
    for (int activation = IDENTITY; activation <= EXP; activation++) {
        CALLED("forward %s special", ACTIVATION_NAMES[activation]);
        void *const x = matrix(n + 1, 1), *const weight = matrix(1, 3), *const z = matrix(n + 1, 3);
        const struct epilogue e = {NULL, (enum activation)activation, z};
        for (ptrdiff_t i = 0; i < n; i++) put(x, i * padded(1), special[i]);
        put(x, n * padded(1), special[0] - special[0]); /* NaN */
        for (int j = 0; j < 3; j++) put(weight, j, 1.0);
        k->forward(n + 1, 1, 3, x, padded(1), weight, padded(3), &e, NULL, panel_for(1), z, padded(3));
        wrote_numbers("h", z, n + 1, 3);
    }
}

static void test_losses(void) {
    EACH_SHAPE(n_rows, n_in, n_out) {
        (void)n_in;
        double *const loss = malloc(16 * (size_t)n_rows), *const right = loss + n_rows;
        for (int activation = IDENTITY; activation <= SOFTMAX; activation++) {
            if (activation == EXP) continue;
            CALLED("derive %s %d", ACTIVATION_NAMES[activation], (int)shape);
            void *const delta = drawn(1, n_rows, n_out);
            k->derive((enum activation)activation, n_rows, n_out, drawn(2, n_rows, n_out), padded(n_out),
                      delta, padded(n_out));
            wrote("delta", delta, n_rows, n_out);
        }
        CALLED("drop %d", (int)shape);
        void *const dropped = matrix(n_rows, n_out);
        k->drop(0x123456789abcdef0u, 1u << 30, 0.25, 3, n_out + 7, n_rows, n_out, drawn(1, n_rows, n_out),
                padded(n_out), dropped, padded(n_out));
        wrote("out", dropped, n_rows, n_out);
        for (int weighted = 0; weighted < 2; weighted++) {
            CALLED("softmax %d %d", weighted, (int)shape);
            const void *const z = drawn(1, n_rows, n_out);
            void *const p = matrix(n_rows, n_out), *const delta = matrix(n_rows, n_out);
            double *const weight = zeros((size_t)n_rows * 8);
            int64_t *const labels = zeros((size_t)n_rows * 8);
            seed = 20;
            for (ptrdiff_t i = 0; i < n_rows; i++) weight[i] = 1 + draw(), labels[i] = i * 7 % n_out;
            k->softmax(n_rows, n_out, z, padded(n_out), p, padded(n_out));
            k->softmax_cross_entropy(n_rows, n_out, z, padded(n_out), labels, weighted ? weight : NULL,
                                     0.125, weighted ? 0.1 : 0.0, delta, padded(n_out), loss, right);
            wrote("p", p, n_rows, n_out);
            wrote("cross_entropy", delta, n_rows, n_out);
            wrote_doubles("loss+right", loss, 2 * n_rows);
            for (int kind = BINARY_CROSS_ENTROPY; kind <= QUANTILE; kind++)
                for (int activation = IDENTITY; activation <= RELU; activation++) {
                    CALLED("%s %s %d %d", LOSS_NAMES[kind], ACTIVATION_NAMES[activation], weighted,
                           (int)shape);
                    void *const d = matrix(n_rows, n_out), *const constants = matrix(1, n_out);
                    double *const w = zeros((size_t)n_rows * 8);
                    seed = 20;
                    for (ptrdiff_t i = 0; i < n_rows; i++) w[i] = 1 + draw();
                    for (ptrdiff_t j = 0; j < n_out; j++) put(constants, j, 0.25);
                    k->elementwise_loss((enum loss)kind, (enum activation)activation, n_rows, n_out,
                                        drawn(1, n_rows, n_out), padded(n_out), drawn(2, n_rows, n_out),
                                        padded(n_out), weighted ? w : NULL, 0.125, constants, d,
                                        padded(n_out), loss, right);
                    wrote("delta", d, n_rows, n_out);
                    wrote_doubles("loss+right", loss, 2 * n_rows);
                }
        }
        free(loss);
    }
}

/* -- parameters ------------------------------------------------------------------------------------- */

static struct step step_of(int rule, int which) {
    struct step s = {(enum rule)rule, 0.0, 0.875, 0.96875, 1e-7, 1.0, 1.0, 0.0, 1.0};
    prepare_step(&s, 0.01, 0.0625 * (which + 1), 3);
    return s;
}

static void test_parameters(void) {
    EACH_SHAPE(n_rows, n_in, n_out) {
        const ptrdiff_t n = n_in * padded(n_out);
        for (int rule = SGD; rule <= ADAMW; rule++) {
            CALLED("update %s %d", RULE_NAMES[rule], (int)shape);
            const struct step s = step_of(rule, 0), of_scales = step_of(rule, 1);
            void *const params = drawn(1, n_in, n_out), *const grads = drawn(2, n_in, n_out);
            void *const first = drawn(3, n_in, n_out), *const second = matrix(n_in, n_out);
            for (ptrdiff_t i = 0; i < n && rule == RMSPROP; i++) /* an average of squares */
                put(first, i, get(first, i) * get(first, i));
            k->update(&s, n_in, n_out, params, padded(n_out), grads, padded(n_out), first, second);
            wrote("params", params, n_in, n_out);
            wrote("first", first, n_in, n_out);
            wrote("second", second, n_in, n_out);
            void *const raw = matrix(n_in, n_out), *const scales = matrix(3, n_in);
            k->begin_scaled(n_in, n_out, params, padded(n_out), raw, scales);
            wrote("begin_scaled", raw, n_in, n_out);
            k->update_scaled(&s, &of_scales, n_in, n_out, grads, padded(n_out), raw, first, second,
                             scales, padded(n_in), params);
            wrote("update_scaled", params, n_in, n_out);
            wrote("scales", scales, 3, n_in);
        }
        CALLED("vectors %d", (int)shape);
        (void)n_rows;
        void *const weight = drawn(1, n_in, n_out), *const grads = drawn(2, n_in, n_out);
        double said[2];
        said[0] = k->penalty(n, weight, 0.5, 0.25);
        said[1] = k->sum_of_squares(n, weight);
        wrote_doubles("penalty+sum_of_squares", said, 2);
        k->add_penalty(n_in, n_out, weight, padded(n_out), 0.5, 0.25, grads, padded(n_out));
        wrote("add_penalty", grads, n_in, n_out);
        k->scale(n, 0.7, grads);
        wrote("scale", grads, n_in, n_out);
        double *const norms = zeros((size_t)padded(n_out) * 8);
        k->limit_column_norms(n_in, n_out, 0.8, norms, weight, padded(n_out));
        wrote("limit_column_norms", weight, n_in, n_out);
        wrote_doubles("norms", norms, n_out);
        void *const raw = drawn(3, n_in, n_out), *const scales = drawn(4, 1, n_in);
        k->scale_columns(n_in, n_out, norms, raw, padded(n_out), scales, weight);
        wrote("scale_columns", weight, n_in, n_out);
    }
}

/* -- a model in each lane ----------------------------------------------------------------------------- */

/* Numbers of all models, which depend on the model and `which` alone. */
static void *lanes(ptrdiff_t n, int which) {
    void *const all = zeros((size_t)(n * k->lanes) * k->size);
    for (ptrdiff_t lane = 0; lane < k->lanes; lane++) {
        void *const own = zeros((size_t)n * k->size);
        seed = (uint64_t)(1000 * lane + which);
        for (ptrdiff_t i = 0; i < n; i++) draw(), put(own, i, draw());
        k->enter_lane(n, own, (char *)all + (size_t)lane * k->size);
    }
    return all;
}

static double *of_lanes(ptrdiff_t n, int which) {
    double *const all = zeros((size_t)(n * k->lanes) * 8);
    for (ptrdiff_t lane = 0; lane < k->lanes; lane++) {
        seed = (uint64_t)(1000 * lane + which);
        for (ptrdiff_t i = 0; i < n; i++) draw(), all[i * k->lanes + lane] = 1 + draw();
    }
    return all;
}

static void wrote_lanes(const char *part, const void *all, ptrdiff_t n) {
    char name[100];
    for (ptrdiff_t lane = 0; lane < k->lanes; lane++) {
        void *const own = zeros((size_t)n * k->size);
        snprintf(name, sizeof name, "%s of model %d", part, (int)lane);
        k->leave_lane(n, (const char *)all + (size_t)lane * k->size, own);
        begin(name, n);
        for (ptrdiff_t i = 0; i < n; i++) number(get(own, i));
    }
}

static void wrote_of_lanes(const char *part, const double *all, ptrdiff_t n) {
    char name[100];
    for (ptrdiff_t lane = 0; lane < k->lanes; lane++) {
        snprintf(name, sizeof name, "%s of model %d", part, (int)lane);
        begin(name, n);
        for (ptrdiff_t i = 0; i < n; i++) number(all[i * k->lanes + lane]);
    }
}

static struct lane_verdict verdict_of(ptrdiff_t n_rows, int weighted) {
    const size_t n = (size_t)(n_rows * k->lanes);
    const struct lane_verdict v = {
        weighted ? of_lanes(n_rows, 7) : NULL, of_lanes(1, 8), zeros(8 * n), zeros(8 * n),
        zeros(8 * n), zeros(8 * n), zeros(8 * n)};
    return v;
}

static void test_lanes(void) {
    static const ptrdiff_t LANE_SHAPES[][3] = {{1, 1, 1}, {5, 7, 3}, {12, 16, 9}, {17, 9, 20}, {9, 20, 4}};
    for (size_t shape = 0; shape < sizeof LANE_SHAPES / sizeof *LANE_SHAPES; shape++) {
        const ptrdiff_t n_rows = LANE_SHAPES[shape][0], n_in = LANE_SHAPES[shape][1];
        const ptrdiff_t n_out = LANE_SHAPES[shape][2], n_weights = n_in * n_out;
        const int64_t *orders[64];

        for (int type = INPUT_FLOAT; type <= INPUT_BYTE; type++)
            for (int layout = 0; layout < 3; layout++) {
                CALLED("gather_lanes %s %d %d", INPUT_TYPE_NAMES[type], layout, (int)shape);
                const struct dense_input x = input((enum input_type)type, layout, n_rows, n_in);
                int64_t *const labels = zeros((size_t)n_rows * 8);
                double *const sound = zeros(16);
                void *const classes = zeros((size_t)(n_rows * k->lanes) * k->size);
                for (ptrdiff_t lane = 0; lane < k->lanes; lane++) {
                    int64_t *const order = zeros((size_t)n_rows * 8);
                    for (ptrdiff_t i = 0; i < n_rows; i++) order[i] = (i + 3 * lane) % n_rows;
                    orders[lane] = order;
                }
                void *const out = lanes(n_rows * n_in, 1);
                k->gather_lanes(&x, orders, n_rows, n_in, 0.25, out);
                wrote_lanes("out", out, n_rows * n_in);
                for (ptrdiff_t i = 0; i < n_rows; i++) labels[i] = i % n_out;
                sound[0] = k->gather_labels_lanes((const char *)labels, 8, orders, n_rows, n_out, classes);
                labels[n_rows - 1] = n_out;
                sound[1] = k->gather_labels_lanes((const char *)labels, 8, orders, n_rows, n_out, out);
                wrote_doubles("gather_labels_lanes", sound, 2);
                for (int smooth = 0; smooth < 2 && n_out > 1; smooth++) {
                    void *const delta = lanes(n_rows * n_out, 2);
                    const struct lane_verdict v = verdict_of(n_rows, smooth);
                    k->cross_entropy_lanes(n_rows, n_out, lanes(n_rows * n_out, 3), classes,
                                           smooth ? 0.1 : 0.0, &v, delta);
                    wrote_lanes(smooth ? "smooth cross_entropy" : "cross_entropy", delta,
                                n_rows * n_out);
                    wrote_of_lanes(smooth ? "smooth loss" : "loss", v.loss, 1);
                    wrote_of_lanes(smooth ? "smooth right" : "right", v.right, 1);
                }
            }
        for (int activation = IDENTITY; activation <= SOFTPLUS; activation++) {
            CALLED("lanes %s %d", ACTIVATION_NAMES[activation], (int)shape);
            void *const h = lanes(n_rows * n_out, 1), *const back = lanes(n_rows * n_in, 2);
            const struct epilogue e = {lanes(n_out, 3), (enum activation)activation, h};
            k->forward_lanes(n_rows, n_in, n_out, lanes(n_rows * n_in, 4), lanes(n_weights, 5), &e, h);
            wrote_lanes("forward_lanes", h, n_rows * n_out);
            k->backward_lanes(n_rows, n_in, n_out, lanes(n_rows * n_out, 6), lanes(n_weights, 5),
                              (enum activation)activation, lanes(n_rows * n_in, 4), back);
            wrote_lanes("backward_lanes", back, n_rows * n_in);
        }
        CALLED("lanes %d", (int)shape);
        void *const gradient = lanes(n_weights, 1), *const sums = lanes(n_out, 2);
        k->outer_lanes(n_rows, n_in, n_out, lanes(n_rows * n_in, 3), lanes(n_rows * n_out, 4), gradient);
        k->column_sums_lanes(n_rows, n_out, lanes(n_rows * n_out, 4), sums);
        wrote_lanes("outer_lanes", gradient, n_weights);
        wrote_lanes("column_sums_lanes", sums, n_out);
        k->add_penalty_lanes(n_weights, of_lanes(1, 5), of_lanes(1, 6), lanes(n_weights, 7), gradient);
        wrote_lanes("add_penalty_lanes", gradient, n_weights);
        double *const totals = zeros((size_t)(2 * PENALTY_SUMS * k->lanes) * 8);
        double *const penalty = of_lanes(1, 8);
        k->sum_weights_lanes(n_in, n_out, 3, n_out + 2, 100, lanes(n_weights, 7), totals);
        k->add_penalties_lanes(totals, of_lanes(1, 5), of_lanes(1, 6), penalty);
        wrote_of_lanes("sum_weights_lanes", totals, 2 * PENALTY_SUMS);
        wrote_of_lanes("add_penalties_lanes", penalty, 1);
        for (int rule = SGD; rule <= ADAMW; rule++) {
            struct step steps[64];
            CALLED("update_lanes %s %d", RULE_NAMES[rule], (int)shape);
            void *const params = lanes(n_weights, 1), *const first = lanes(n_weights, 2);
            void *const second = zeros((size_t)(n_weights * k->lanes) * k->size);
            for (ptrdiff_t lane = 0; lane < k->lanes; lane++) steps[lane] = step_of(rule, (int)lane);
            k->update_lanes(steps, n_weights, params, lanes(n_weights, 3), first, second);
            wrote_lanes("params", params, n_weights);
            wrote_lanes("first", first, n_weights);
            wrote_lanes("second", second, n_weights);
        }
        for (int kind = BINARY_CROSS_ENTROPY; kind <= QUANTILE; kind++)
            for (int activation = IDENTITY; activation <= RELU; activation++) {
                CALLED("%s %s lanes %d", LOSS_NAMES[kind], ACTIVATION_NAMES[activation], (int)shape);
                void *const delta = lanes(n_rows * n_out, 1), *const constants = matrix(1, n_out);
                const struct lane_verdict v = verdict_of(n_rows, activation % 2);
                for (ptrdiff_t j = 0; j < n_out; j++) put(constants, j, 0.25);
                k->elementwise_loss_lanes((enum loss)kind, (enum activation)activation, n_rows, n_out,
                                          lanes(n_rows * n_out, 2), lanes(n_rows * n_out, 3), constants,
                                          &v, delta);
                wrote_lanes("delta", delta, n_rows * n_out);
                wrote_of_lanes("loss", v.loss, 1);
                wrote_of_lanes("right", v.right, 1);
            }
    }
}

int main(int argc, char **argv) {
    void *const memory = calloc(ARENA + 64, 1);
    file = argc == 2 ? fopen(argv[1], "wb") : NULL;
    if (!file || !memory) {
        fprintf(stderr, "usage: tables FILE\n");
        return 2;
    }
    arena = (char *)(((uintptr_t)memory + 63) / 64 * 64);
    for (size_t n = 0; (set_name = runnable_instruction_set(n)); n++) {
        int known;
        const struct instruction_set *const set = choose_instruction_set(set_name, &known);
        for (int is_double = 0; is_double < 2; is_double++) {
            k = is_double ? set->real_double : set->single;
            test_inputs();
            test_products();
            test_special_numbers();
            test_losses();
            test_parameters();
            test_lanes();
        }
        printf("%s\n", set_name);
    }
    return fclose(file) != 0;
}
