/* Products with a dense minibatch that is mostly zeros: only its non-zeros are multiplied.

   Bit masks mark them: row_mask along the rows, 64 columns per word, and column_mask, the transposed
   bit matrix, 64 rows per word. With v = x[i, k] for all set bits,

       forward   out_i    = bias + Σ_k v · weight_k         along row i's mask
       outer     out_k   += scale · Σ_i v · delta_i         along column k's mask

   Sums stay in registers, as many vectors of columns as fit. Data that are read repeatedly must be in
   L1, so forward processes the minibatch for one slice of weights at a time, and outer only a limited
   number of rows of delta at a time. Neighbouring pixels are usually both zero or both non-zero: with
   enough registers, outer processes two such columns of x at once, along the union of their masks, and
   reads each row of delta once for both. Bytes stay bytes and are scaled by a table of 256 numbers.

   The target defines the size of a slice of weights in L1 (SLICE_BYTES), the columns processed at once
   by outer (COLUMNS_TOGETHER), and the size of delta up to which all rows are used (DELTA_BYTES). */

#ifndef FASTNN_MASKED_H
#define FASTNN_MASKED_H

#include "activation.h"
#include "groups.h"
#include "input.h"

#define WORD_BITS 64

INLINE ptrdiff_t words_for(ptrdiff_t n) { return (n + WORD_BITS - 1) / WORD_BITS; }

#if defined(GNU_C)
INLINE int lowest_bit(uint64_t word) { return __builtin_ctzll(word); }
INLINE int count_bits(uint64_t word) { return __builtin_popcountll(word); }
#else
INLINE int lowest_bit(uint64_t word) {
    int n = 0;
    while (!(word >> n & 1)) n++;
    return n;
}
INLINE int count_bits(uint64_t word) {
    int n = 0;
    for (; word; word &= word - 1) n++;
    return n;
}
#endif

/* -- masks --------------------------------------------------------------------------------------- */

#if !defined(HAS_MASK_OF_BYTES)
/* One bit for each of the 8 bytes of a word, set if the byte is not zero. */
INLINE uint64_t non_zero_bytes(uint64_t bytes) {
    const uint64_t low = 0x7f7f7f7f7f7f7f7f;
    const uint64_t high_bits = (((bytes & low) + low) | bytes) & ~low;
    return (high_bits >> 7) * 0x0102040810204080 >> 56;
}

INLINE uint64_t mask_of_bytes(const unsigned char *p) {
    uint64_t mask = 0;
    for (int i = 0; i < 8; i++) {
        uint64_t bytes;
        memcpy(&bytes, p + 8 * i, sizeof bytes);
        mask |= non_zero_bytes(bytes) << 8 * i;
    }
    return mask;
}
#endif

INLINE uint64_t mask_of_numbers(const real *p, ptrdiff_t n) {
    uint64_t mask = 0;
#if defined(HAS_MASK_OF_NUMBERS)
    if (n == WORD_BITS) return mask_of_64_numbers(p);
#endif
    for (ptrdiff_t i = 0; i < n; i++) mask |= (uint64_t)(p[i] != 0) << i;
    return mask;
}

/* Transpose squares of 64 × 64 bits, all those of 64 rows side by side: ever smaller off-diagonal
   blocks are exchanged (Warren, Hacker's Delight, 7-3), a vector of squares at a time. */
#define SQUARES 16
#define MASK_LANES ((int)(sizeof(masks) / sizeof(uint64_t)))

static void transpose_squares(uint64_t square[WORD_BITS][SQUARES]) {
    uint64_t low = 0x00000000ffffffff;
    for (int size = WORD_BITS / 2; size; size >>= 1, low ^= low << size)
        for (int k = 0; k < WORD_BITS; k = (k + size + 1) & ~size)
            for (int c = 0; c < SQUARES; c += MASK_LANES) {
                masks upper, lower, t;
                memcpy(&upper, square[k] + c, sizeof upper);
                memcpy(&lower, square[k + size] + c, sizeof lower);
                t = (upper >> size ^ lower) & low;
                upper ^= t << size;
                lower ^= t;
                memcpy(square[k] + c, &upper, sizeof upper);
                memcpy(square[k + size] + c, &lower, sizeof lower);
            }
}

static void transpose_masks(const struct masked *m, ptrdiff_t n_rows, ptrdiff_t n_in,
                            ptrdiff_t begin, ptrdiff_t end) {
    const ptrdiff_t row_words = words_for(n_in), column_words = words_for(n_rows);
    for (ptrdiff_t r = 0; r < column_words; r++)
        for (ptrdiff_t first = begin; first < end; first += SQUARES) {
            const ptrdiff_t squares = end - first < SQUARES ? end - first : SQUARES;
            uint64_t square[WORD_BITS][SQUARES];
            memset(square, 0, sizeof square);
            for (ptrdiff_t i = 0; i < WORD_BITS && r * WORD_BITS + i < n_rows; i++)
                memcpy(square[i], m->row_mask + (r * WORD_BITS + i) * row_words + first,
                       (size_t)squares * sizeof(uint64_t));
            transpose_squares(square);
            for (ptrdiff_t c = 0; c < squares; c++)
                for (ptrdiff_t i = 0; i < WORD_BITS; i++)
                    m->column_mask[((first + c) * WORD_BITS + i) * column_words + r] = square[i][c];
        }
}

static void scale_bytes(double scale, void *table) {
    for (int b = 0; b < 256; b++) ((real *)table)[b] = (real)b * (real)scale;
}

/* Fetch rows as `gather` does, bytes as they are, and find their non-zeros. */
static void gather_masked(const struct dense_input *x, const int64_t *order, ptrdiff_t n_rows,
                          ptrdiff_t n_in, double scale, const struct masked *out) {
    const ptrdiff_t row_words = words_for(n_in);
    if (out->bytes) {
        gather_bytes(x, order, n_rows, n_in, out->bytes, out->bytes_row);
        for (ptrdiff_t i = 0; i < n_rows; i++) {
            unsigned char *const to = out->bytes + i * out->bytes_row;
            memset(to + n_in, 0, (size_t)(row_words * WORD_BITS - n_in));
            for (ptrdiff_t c = 0; c < row_words; c++)
                out->row_mask[i * row_words + c] = mask_of_bytes(to + c * WORD_BITS);
        }
    } else {
        gather(x, order, n_rows, n_in, scale, out->numbers, out->numbers_row);
        for (ptrdiff_t i = 0; i < n_rows; i++)
            for (ptrdiff_t c = 0; c < row_words; c++) {
                const ptrdiff_t rest = n_in - c * WORD_BITS;
                out->row_mask[i * row_words + c] =
                    mask_of_numbers((const real *)out->numbers + i * out->numbers_row + c * WORD_BITS,
                                    rest < WORD_BITS ? rest : WORD_BITS);
            }
    }
}

/* -- products ------------------------------------------------------------------------------------ */

INLINE real masked_number(const struct masked *x, int is_bytes, ptrdiff_t i, ptrdiff_t k) {
    return is_bytes ? ((const real *)x->table)[x->bytes[i * x->bytes_row + k]]
                    : ((const real *)x->numbers)[i * x->numbers_row + k];
}

/* What one call of a group works on: a matrix whose rows are added up, and where sums go. */
struct masked_product {
    const struct masked *x;
    ptrdiff_t n_rows, n_in;
    ptrdiff_t begin, end; /* outer: the columns of x, which are rows of out, to go through */
    const real *b; /* weight or delta */
    ptrdiff_t b_row;
    real *out;
    ptrdiff_t out_row;
    const real *bias;
    const struct epilogue *epilogue; /* forward's */
    const real *origin;              /* where all of out begins */
    real scale;
    int add; /* outer: to what out holds, scaled; else out is set */
    bits tail;
    const struct upcoming *next; /* for the first group of columns */
};

INLINE void forward_group(const struct masked_product *p, const int is_bytes, const int columns) {
    const ptrdiff_t row_words = words_for(p->n_in);
    const ptrdiff_t slice = SLICE_BYTES / (WORD_BITS * columns * (ptrdiff_t)sizeof(vec));
    const ptrdiff_t step = slice > 1 ? slice : 1;
    for (ptrdiff_t first = 0; first < row_words; first += step) {
        const ptrdiff_t last = first + step < row_words ? first + step : row_words;
        for (ptrdiff_t i = 0; i < p->n_rows; i++) {
            const uint64_t *const mask = p->x->row_mask + i * row_words;
            real *const to = p->out + i * p->out_row;
            vec sum[GROUP_VECTORS];
            if (p->next) prefetch_rows(p->next, i, i + 1, first * WORD_BITS, last * WORD_BITS);
            for (int j = 0; j < columns; j++) sum[j] = first ? load(to + j * LANES) : broadcast(0);
            for (ptrdiff_t c = first; c < last; c++)
                for (uint64_t word = mask[c]; word; word &= word - 1) {
                    const ptrdiff_t k = c * WORD_BITS + lowest_bit(word);
                    const vec v = broadcast(masked_number(p->x, is_bytes, i, k));
                    const real *const w = p->b + k * p->b_row;
                    for (int j = 0; j < columns; j++) sum[j] += v * load(w + j * LANES);
                }
            if (last == row_words) {
                if (p->bias)
                    for (int j = 0; j < columns; j++) sum[j] += load(p->bias + j * LANES);
                sum[columns - 1] = keep_lanes(p->tail, sum[columns - 1]);
            }
            for (int j = 0; j < columns; j++) store(to + j * LANES, sum[j]);
            if (last == row_words)
                finish(p->epilogue, 1, columns * LANES, to, p->origin, p->out_row);
        }
    }
}

/* Columns k … k + together - 1 of x, rows [64 first, 64 last). */
INLINE void outer_columns(const struct masked_product *p, ptrdiff_t k, ptrdiff_t first, ptrdiff_t last,
                          const int is_bytes, const int columns, const int together) {
    const ptrdiff_t column_words = words_for(p->n_rows);
    const uint64_t *const mask = p->x->column_mask + k * column_words;
    real *const out = p->out + (k - p->begin) * p->out_row;
    vec sum[COLUMNS_TOGETHER][GROUP_VECTORS];
    uint64_t any = 0;
    for (ptrdiff_t c = first; c < last; c++)
        for (int t = 0; t < together; t++) any |= mask[t * column_words + c];
    const int add = p->add || first > 0;
    if (!any && add) return;
    for (int t = 0; t < together; t++)
        for (int j = 0; j < columns; j++) sum[t][j] = broadcast(0);
    for (ptrdiff_t c = first; c < last; c++) {
        uint64_t word = mask[c];
        for (int t = 1; t < together; t++) word |= mask[t * column_words + c];
        for (; word; word &= word - 1) {
            const ptrdiff_t i = c * WORD_BITS + lowest_bit(word);
            const real *const d = p->b + i * p->b_row;
            vec v[COLUMNS_TOGETHER];
            for (int t = 0; t < together; t++)
                v[t] = broadcast(masked_number(p->x, is_bytes, i, k + t));
            for (int j = 0; j < columns; j++) {
                const vec d_j = together > 1 ? loaded(load(d + j * LANES)) : load(d + j * LANES);
                for (int t = 0; t < together; t++) sum[t][j] += v[t] * d_j;
            }
        }
    }
    for (int t = 0; t < together; t++)
        for (int j = 0; j < columns; j++) {
            real *const to = out + t * p->out_row + j * LANES;
            const vec value = add ? load(to) + p->scale * sum[t][j] : sum[t][j];
            store(to, j == columns - 1 ? keep_lanes(p->tail, value) : value);
        }
}

/* Whether the rows where either of two neighbouring columns is not zero are few enough to take the two
   together: that costs a third more for a row than one column does alone. */
INLINE int go_together(const uint64_t *mask, ptrdiff_t column_words, ptrdiff_t first, ptrdiff_t last) {
    int either = 0, each = 0;
    for (ptrdiff_t c = first; c < last; c++) {
        const uint64_t one = mask[c], other = mask[column_words + c];
        either += count_bits(one | other);
        each += count_bits(one) + count_bits(other);
    }
    return 4 * either <= 3 * each;
}

INLINE void outer_group(const struct masked_product *p, const int is_bytes, const int columns) {
    const ptrdiff_t column_words = words_for(p->n_rows);
    const int fits = p->n_rows * columns * (ptrdiff_t)sizeof(vec) <= DELTA_BYTES;
    const ptrdiff_t step = fits ? column_words : 1;
    for (ptrdiff_t first = 0; first < column_words; first += step)
        for (ptrdiff_t k = p->begin; k < p->end; k++) {
            const uint64_t *const mask = p->x->column_mask + k * column_words;
            const ptrdiff_t last = first + step;
            if (COLUMNS_TOGETHER == 2 && k + 1 < p->end &&
                go_together(mask, column_words, first, last)) {
                outer_columns(p, k++, first, last, is_bytes, columns, COLUMNS_TOGETHER);
            } else {
                outer_columns(p, k, first, last, is_bytes, columns, 1);
            }
        }
}

/* A group of as many columns as there are, and of bytes or numbers: both constants where it is
   inlined. */
#define BYTES(N, GROUP) \
    case N: GROUP(p, 1, N); break;
#define NUMBERS(N, GROUP) \
    case N: GROUP(p, 0, N); break;
#define GROUPS(NAME, GROUP, KIND) \
    static void NAME(const struct masked_product *p, int columns) { EACH_WIDTH(KIND, GROUP) }
GROUPS(forward_bytes, forward_group, BYTES)
GROUPS(forward_numbers, forward_group, NUMBERS)
GROUPS(outer_bytes, outer_group, BYTES)
GROUPS(outer_numbers, outer_group, NUMBERS)

/* Cut n_out columns into groups of at most `widest` vectors, nearly equal. */
static void each_group(struct masked_product *p, ptrdiff_t n_out, ptrdiff_t widest,
                       void (*group)(const struct masked_product *p, int columns)) {
    const ptrdiff_t width = vectors(n_out), n_groups = (width + widest - 1) / widest;
    const real *const b = p->b, *const bias = p->bias;
    real *const out = p->out;
    for (ptrdiff_t g = 0; g < n_groups; g++) {
        const ptrdiff_t first = width * g / n_groups, last = width * (g + 1) / n_groups;
        p->b = b + first * LANES;
        p->bias = bias ? bias + first * LANES : NULL;
        p->out = out + first * LANES;
        p->tail = first_lanes(n_out - (last - 1) * LANES);
        group(p, (int)(last - first));
        p->next = NULL;
    }
}

static void forward_masked(ptrdiff_t n_rows, ptrdiff_t n_in, ptrdiff_t n_out,
                           const struct masked *x, const void *weight, ptrdiff_t weight_row,
                           const struct epilogue *epilogue, const struct upcoming *next, void *out,
                           ptrdiff_t out_row) {
    struct masked_product p = {.x = x, .n_rows = n_rows, .n_in = n_in, .b = weight,
                               .b_row = weight_row, .out = out, .out_row = out_row, .bias = epilogue->bias,
                               .epilogue = epilogue, .origin = out, .next = next};
    each_group(&p, n_out, GROUP_VECTORS, x->bytes ? forward_bytes : forward_numbers);
}

static void outer_masked(ptrdiff_t n_rows, ptrdiff_t begin, ptrdiff_t end, ptrdiff_t n_out,
                         const struct masked *x, const void *delta, ptrdiff_t delta_row,
                         double scale, int add, void *out, ptrdiff_t out_row) {
    struct masked_product p = {.x = x, .n_rows = n_rows, .begin = begin, .end = end, .b = delta,
                               .b_row = delta_row, .out = out, .out_row = out_row,
                               .scale = add ? (real)scale : 1, .add = add};
    each_group(&p, n_out, GROUP_VECTORS, x->bytes ? outer_bytes : outer_numbers);
}

#endif
