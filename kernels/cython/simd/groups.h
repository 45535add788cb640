/* Groups of vectors of columns whose sums stay in registers, while the non-zeros of a row go by.

   Each group goes through the non-zeros again, so it is as wide as 16 registers allow beside a number
   of x and, without a fused multiply-add, a product. Of 64-byte vectors few networks have more.
   MOST_SUMS are so many as may be kept for several rows of x. */

#ifndef FASTNN_GROUPS_H
#define FASTNN_GROUPS_H

#if defined(__AVX512F__)
#define GROUP_VECTORS 8
#define MOST_SUMS 24
#define CASES_ABOVE_8(CASE)
#else
#define GROUP_VECTORS 14
#define MOST_SUMS 14
#define CASES_ABOVE_8(CASE) CASE(9) CASE(10) CASE(11) CASE(12) CASE(13) CASE(14)
#endif

/* The code CASE(n) for the n that `columns` is: inlined there, n is a constant. */
#define EACH_WIDTH(CASE) \
    switch (columns) { \
        CASE(1) CASE(2) CASE(3) CASE(4) CASE(5) CASE(6) CASE(7) CASE(8) CASES_ABOVE_8(CASE) \
    }

#endif
