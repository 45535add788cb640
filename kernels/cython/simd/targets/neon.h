/* NEON, which every AArch64 processor has: 32 registers of 16 bytes. */

#if defined(GNU_C)
#include <arm_neon.h>
#endif

#define VECTOR_BYTES 16
#if defined(GNU_C)
#define VECTOR_REGISTER "+w"
#endif

/* The most rows of a tile 1, 2, 3 and 4 vectors wide (dense.h): compilers load the numbers of all rows
   of A ahead, and these have to fit the 32 registers beside the sums and vectors of B. */
#define TILE_VECTORS 4
#define TILE_ROWS_1 14
#define TILE_ROWS_2 10
#define TILE_ROWS_3 7
#define TILE_ROWS_4 5

/* The most rows of a tile 1, 2, 3 and 4 columns wide where each lane is a model (lane_products.h):
   here too the vectors of A, one for each row, are loaded ahead. */
#define LANE_ROWS_1 14
#define LANE_ROWS_2 10
#define LANE_ROWS_3 7
#define LANE_ROWS_4 5

/* Terms of a sum that a panel goes before its first row is needed again: half of L1. */
#define SLICE_TERMS 256

/* Panels are copied to where they lie dense: no unlucky stride is met, and few pages. */
#define COPIED_ROWS 24
#define COPIED_BYTES 1024

/* The outer product reads blocks of xᵀ from copies (dense.h). */
#define COPIES_BLOCKS 1

/* Vectors of a group, and sums of several rows (groups.h): as many as fit the 32 registers beside a vector
   of weights and a number of each row. */
#define GROUP_VECTORS 14
#define MOST_SUMS 24

/* Bytes of weights that are to stay in L1 while zeros are skipped (masked.h): 32 KB of L1 are taken for
   granted, and most rows of a slice are hardly asked for. */
#define SLICE_BYTES 32768

/* Columns of x that outer takes at once, and how much of delta: one, and 64 rows. */
#define COLUMNS_TOGETHER 1
#define DELTA_BYTES 0

#if defined(GNU_C)
/* The bits of 64 bytes, all ones where the number is zero. Sums of neighbours, three times: of eight
   bytes' bits one byte. */
INLINE uint64_t mask_from_zeros(const uint8x16_t *is_zero) {
    static const uint8_t bit_of_byte[16] = {1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128};
    const uint8x16_t bit = vld1q_u8(bit_of_byte);
    const uint8x16_t low = vpaddq_u8(vbicq_u8(bit, is_zero[0]), vbicq_u8(bit, is_zero[1]));
    const uint8x16_t high = vpaddq_u8(vbicq_u8(bit, is_zero[2]), vbicq_u8(bit, is_zero[3]));
    const uint8x16_t pairs = vpaddq_u8(low, high);
    return vgetq_lane_u64(vreinterpretq_u64_u8(vpaddq_u8(pairs, pairs)), 0);
}

#define HAS_MASK_OF_BYTES
INLINE uint64_t mask_of_bytes(const unsigned char *p) {
    uint8x16_t is_zero[4];
    for (int i = 0; i < 4; i++) is_zero[i] = vceqzq_u8(vld1q_u8(p + 16 * i));
    return mask_from_zeros(is_zero);
}

/* 4 and 16 numbers' verdicts, narrowed to the even half of each lane. */
INLINE uint32x4_t four_zeros(const real *p) {
#ifdef FASTNN_DOUBLE
    return vuzp1q_u32(vreinterpretq_u32_u64(vceqzq_f64(vld1q_f64(p))),
                      vreinterpretq_u32_u64(vceqzq_f64(vld1q_f64(p + 2))));
#else
    return vceqzq_f32(vld1q_f32(p));
#endif
}
INLINE uint8x16_t sixteen_zeros(const real *p) {
    uint16x8_t half[2];
    for (int i = 0; i < 2; i++)
        half[i] = vuzp1q_u16(vreinterpretq_u16_u32(four_zeros(p + 8 * i)),
                             vreinterpretq_u16_u32(four_zeros(p + 8 * i + 4)));
    return vuzp1q_u8(vreinterpretq_u8_u16(half[0]), vreinterpretq_u8_u16(half[1]));
}

#define HAS_MASK_OF_NUMBERS
INLINE uint64_t mask_of_64_numbers(const real *p) {
    uint8x16_t is_zero[4];
    for (int i = 0; i < 4; i++) is_zero[i] = sixteen_zeros(p + 16 * i);
    return mask_from_zeros(is_zero);
}
#endif
