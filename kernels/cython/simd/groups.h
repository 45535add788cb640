/* Groups of vectors of columns whose sums stay in registers, while the non-zeros of a row go by.

   Each group goes through the non-zeros again, so it is as wide as the registers allow: GROUP_VECTORS.
   MOST_SUMS are so many as may be kept for several rows of x. Both are the target's. */

#ifndef FASTNN_GROUPS_H
#define FASTNN_GROUPS_H

#include "repeat.h"
#include "vector.h"

/* The code CASE(n, X) for the n that `columns` is: inlined there, n is a constant. */
#define EACH_WIDTH(CASE, X) \
    switch (columns) { UP_TO(GROUP_VECTORS)(CASE, X) }

#endif
