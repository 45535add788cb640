/* NEON, which every AArch64 processor has: 32 registers of 16 bytes. */

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

/* The most rows of a tile 1, 2, 3 and 4 columns wide where each lane is a model (lane_products.h): sums,
   vectors of B and one of A fit the 32 registers. */
#define LANE_ROWS_1 14
#define LANE_ROWS_2 10
#define LANE_ROWS_3 8
#define LANE_ROWS_4 6

/* Terms of a sum that a panel goes before its first row is needed again: half of L1. */
#define SLICE_TERMS 256

/* Panels are copied to where they lie dense: no unlucky stride is met, and few pages. */
#define COPIES_PANELS 1

/* Vectors of a group, and sums of several rows (groups.h). */
#define GROUP_VECTORS 14
#define MOST_SUMS 14

/* Bytes of weights that are to stay in L1 while zeros are skipped (masked.h): 32 KB of L1 are taken for
   granted, and most rows of a slice are hardly asked for. */
#define SLICE_BYTES 32768

/* Columns of x that outer takes at once, and how much of delta: one, and 64 rows. */
#define COLUMNS_TOGETHER 1
#define DELTA_BYTES 0
