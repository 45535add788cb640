/* What every processor of the platform has: NEON on AArch64, SSE2 on x86-64, where there are 16
   registers of 16 bytes and no fused multiply-add. Compilers without vector types (MSVC) get the same
   numbers with vectors of one number. */

#if defined(__aarch64__)
#include "neon.h"
#else

#define VECTOR_BYTES 16
#if defined(GNU_C) && defined(__SSE2__)
#include <immintrin.h>
#define X86_PREFIX _mm_
#define X86_TYPE __m128
#define VECTOR_REGISTER "+v"
#endif

/* The most rows of a tile 1 and 2 vectors wide (dense.h): sums, vectors of B, one of A, and their
   product, which takes a register of its own, fit the 16. */
#define TILE_VECTORS 2
#define TILE_ROWS_1 8
#define TILE_ROWS_2 4

/* The most rows of a tile 1, 2, 3 and 4 columns wide where each lane is a model (lane_products.h): sums,
   vectors of B and one of A fit the 16 registers, beside a product. */
#define LANE_ROWS_1 8
#define LANE_ROWS_2 5
#define LANE_ROWS_3 3
#define LANE_ROWS_4 2

/* Terms of a sum that a panel goes before its first row is needed again: half of L1. */
#define SLICE_TERMS 256

/* Tiles are small and read B often, so its panels are copied to where they lie dense. */
#define COPIED_ROWS 24
#define COPIED_BYTES 1024

/* The outer product reads blocks of xᵀ from copies (dense.h). */
#define COPIES_BLOCKS 1

/* Vectors of a group, and sums of several rows (groups.h): as many as 16 registers allow beside a
   number of x and a product. */
#define GROUP_VECTORS 14
#define MOST_SUMS 14

/* Bytes of weights that are to stay in L1 while zeros are skipped (masked.h): all of its 32 KB, since
   most rows of a slice are hardly asked for. */
#define SLICE_BYTES 32768

/* Columns of x that outer takes at once: more want 32 registers. So it takes 64 rows of delta. */
#define COLUMNS_TOGETHER 1
#define DELTA_BYTES 0

#if defined(GNU_C) && defined(__SSE2__)
#define HAS_MASK_OF_BYTES
INLINE uint64_t mask_of_bytes(const unsigned char *p) {
    uint64_t zeros = 0;
    for (int i = 0; i < 4; i++) {
        const __m128i bytes = _mm_loadu_si128((const __m128i *)p + i);
        const int part = _mm_movemask_epi8(_mm_cmpeq_epi8(bytes, _mm_setzero_si128()));
        zeros |= (uint64_t)part << 16 * i;
    }
    return ~zeros;
}
#endif

#endif
