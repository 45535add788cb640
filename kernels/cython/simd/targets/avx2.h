/* AVX2 with FMA and BMI: 16 registers of 32 bytes, mostly 32 KB of L1. */

#include <immintrin.h>

#define VECTOR_BYTES 32
#define X86_PREFIX _mm256_
#define X86_TYPE __m256
#define VECTOR_REGISTER "+v"

/* The most rows of a tile 1 and 2 vectors wide (dense.h): sums, vectors of B and one of A fit the 16
   registers. */
#define TILE_VECTORS 2
#define TILE_ROWS_1 10
#define TILE_ROWS_2 6

/* The most rows of a tile 1, 2, 3 and 4 columns wide where each lane is a model (lane_products.h): sums,
   vectors of B and one of A fit the 16 registers. */
#define LANE_ROWS_1 8
#define LANE_ROWS_2 6
#define LANE_ROWS_3 4
#define LANE_ROWS_4 3

/* Terms of a sum that a panel goes before its first row is needed again, out of L2: 126 rows of 784-96
   reach 93 % of the FMA peak with 256 terms, 96 with 512, 96 with 784, which is too many where panels
   are not copied (Zen 4). */
#define SLICE_TERMS 512

/* Tiles are small and read B often, so its panels are copied to where they lie dense. */
#define COPIED_ROWS 24
#define COPIED_BYTES 1024

/* The outer product reads blocks of xᵀ from copies (dense.h). */
#define COPIES_BLOCKS 1

/* Vectors of a group, and sums of several rows (groups.h): as many as 16 registers allow beside a
   number of x. */
#define GROUP_VECTORS 14
#define MOST_SUMS 14

/* Bytes of weights that are to stay in L1 while zeros are skipped (masked.h): all of it, since most
   rows of a slice are hardly asked for. */
#define SLICE_BYTES 32768

/* Columns of x that outer takes at once: more want 32 registers. So it takes 64 rows of delta. */
#define COLUMNS_TOGETHER 1
#define DELTA_BYTES 0

#define HAS_MASK_OF_BYTES
INLINE uint64_t mask_of_bytes(const unsigned char *p) {
    const __m256i *const from = (const __m256i *)p, zero = _mm256_setzero_si256();
    const __m256i low = _mm256_cmpeq_epi8(_mm256_loadu_si256(from), zero);
    const __m256i high = _mm256_cmpeq_epi8(_mm256_loadu_si256(from + 1), zero);
    return ~((uint64_t)(uint32_t)_mm256_movemask_epi8(high) << 32 |
             (uint32_t)_mm256_movemask_epi8(low));
}

#define HAS_MASK_OF_NUMBERS
INLINE uint64_t mask_of_64_numbers(const real *p) {
    uint64_t mask = 0;
#ifdef FASTNN_DOUBLE
    const __m256d zero = _mm256_setzero_pd();
    for (int i = 0; i < 64; i += 4)
        mask |= (uint64_t)(unsigned)_mm256_movemask_pd(
                    _mm256_cmp_pd(_mm256_loadu_pd(p + i), zero, _CMP_NEQ_UQ))
                << i;
#else
    const __m256 zero = _mm256_setzero_ps();
    for (int i = 0; i < 64; i += 8)
        mask |= (uint64_t)(unsigned)_mm256_movemask_ps(
                    _mm256_cmp_ps(_mm256_loadu_ps(p + i), zero, _CMP_NEQ_UQ))
                << i;
#endif
    return mask;
}

/* 16 bytes of each of two rows. */
INLINE __m256i load_blocks(const void *a, const void *b) {
    return _mm256_inserti128_si256(_mm256_castsi128_si256(_mm_loadu_si128(a)), _mm_loadu_si128(b), 1);
}
#define LOAD_BLOCKS(row, step, at) (vec)load_blocks((row)[0] + (at), (row)[step] + (at))
