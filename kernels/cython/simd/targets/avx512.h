/* AVX-512 (F, DQ, BW, VL) with AVX2, FMA and BMI: 32 registers of 64 bytes, which are whole lines of
   the cache. Processors that have it have 48 KB of L1 since Ice Lake and Zen 5. */

#include <immintrin.h>

#define VECTOR_BYTES 64
#define X86_PREFIX _mm512_
#define X86_TYPE __m512
#define VECTOR_REGISTER "+v"

/* The most rows of a tile 1, 2, 3 and 4 vectors wide (dense.h): sums, vectors of B and one of A fit
   the 32 registers. */
#define TILE_VECTORS 4
#define TILE_ROWS_1 14
#define TILE_ROWS_2 14
#define TILE_ROWS_3 9
#define TILE_ROWS_4 6

/* The most rows of a tile 1, 2, 3 and 4 columns wide where each lane is a model (lane_products.h): sums,
   vectors of B and one of A fit the 32 registers. */
#define LANE_ROWS_1 14
#define LANE_ROWS_2 10
#define LANE_ROWS_3 8
#define LANE_ROWS_4 6

/* Terms of a sum that a panel goes before its first row is needed again. L2 gives a tile of 27 sums the
   three vectors it takes for a term soon enough, so that longer slices are better: 126 rows of 784-96
   reach 95, 97, 98 and 99 % of the FMA peak with 112, 196, 392 and 784 terms (Zen 4). */
#define SLICE_TERMS 784

/* Panels are copied where the rows of B that a slice needs share too few sets of L2: 256 rows
   of 2048-2048 reach 91 % of the peak with copies and 89 without, but 32 rows of 784-2048 77 and 92. */
#define COPIED_ROWS 128
#define COPIED_BYTES 8192

/* The outer product reads xᵀ where it lies: of 784-512 and 128 rows it reaches 95 % of the FMA peak, and
   92 with blocks copied (Zen 4). */
#define COPIES_BLOCKS 0

/* Vectors of a group (groups.h): of 64-byte vectors few networks have more. Sums of several rows: as
   many as 32 registers allow. */
#define GROUP_VECTORS 8
#define MOST_SUMS 24

/* Bytes of weights that are to stay in L1 while zeros are skipped (masked.h): more than it holds, since
   most rows of a slice are hardly asked for. */
#define SLICE_BYTES 65536

/* Columns of x that outer takes at once: 27 to 23 µs for 100 images and 100 outputs. */
#define COLUMNS_TOGETHER 2

/* Bytes of delta up to which outer takes all rows at once instead of 64: most of 48 KB of L1. */
#define DELTA_BYTES 46080

#define HAS_MASK_OF_BYTES
INLINE uint64_t mask_of_bytes(const unsigned char *p) {
    const __m512i bytes = _mm512_loadu_si512(p);
    return _mm512_test_epi8_mask(bytes, bytes);
}

#define HAS_MASK_OF_NUMBERS
INLINE uint64_t mask_of_64_numbers(const real *p) {
    uint64_t mask = 0;
#ifdef FASTNN_DOUBLE
    for (int i = 0; i < 64; i += 8)
        mask |= (uint64_t)_mm512_cmp_pd_mask(_mm512_loadu_pd(p + i), _mm512_setzero_pd(), _CMP_NEQ_UQ)
                << i;
#else
    for (int i = 0; i < 64; i += 16)
        mask |= (uint64_t)_mm512_cmp_ps_mask(_mm512_loadu_ps(p + i), _mm512_setzero_ps(), _CMP_NEQ_UQ)
                << i;
#endif
    return mask;
}

/* y · 2^n in one instruction (exponential.h) */
#define TIMES_POWER_OF_TWO(y, n) ((vec)X86(scalef)((xvec)(y), (xvec)(n)))

/* 16 bytes of each of four rows. */
INLINE __m512i load_blocks(const void *a, const void *b, const void *c, const void *d) {
    const __m512i low = _mm512_inserti32x4(_mm512_castsi128_si512(_mm_loadu_si128(a)),
                                           _mm_loadu_si128(b), 1);
    return _mm512_inserti32x4(_mm512_inserti32x4(low, _mm_loadu_si128(c), 2), _mm_loadu_si128(d), 3);
}
#define LOAD_BLOCKS(row, step, at) \
    (vec)load_blocks((row)[0] + (at), (row)[step] + (at), (row)[2 * (step)] + (at), \
                     (row)[3 * (step)] + (at))
