/* Subnormal numbers as zero, for this thread and for a while.

   The averages that Adam and momentum keep of a gradient that has become zero, as at a pixel that is
   rarely inked, decay into the subnormal range, and each of them then costs a microcode assist of a
   hundred cycles or more: epochs become three to ten times as long, and predictions with weights that
   a penalty has shrunk so far a hundred times. Nothing is learned from numbers below 1e-38 (1e-308 in
   double), nor does one see them in a prediction, so both take them as zero. The mode is the thread's
   own and is put back afterwards: nobody else's arithmetic changes. Calls may be nested: the register
   is written, which costs more than reading it, only where the mode is not set already, by whoever
   called or by the user. */

#ifndef FASTNN_FLOAT_MODE_H
#define FASTNN_FLOAT_MODE_H

#include <stdint.h>

#include "compiler.h"

#if defined(__SSE2__) || defined(_M_X64)
#include <xmmintrin.h>
#define FLUSH_AND_DENORMALS_ZERO 0x8040u /* MXCSR bits 15 (results) and 6 (operands) */

static inline int flushes_both(unsigned mode) {
    return (mode & FLUSH_AND_DENORMALS_ZERO) == FLUSH_AND_DENORMALS_ZERO;
}
#elif defined(__aarch64__) && defined(GNU_C)
#define FLUSH_TO_ZERO (UINT64_C(1) << 24) /* FPCR.FZ: operands and results */
#endif

/* Take subnormal numbers as zero; return the mode to put back. */
static inline uint64_t flush_subnormals(void) {
#if defined(__SSE2__) || defined(_M_X64)
    const unsigned mode = _mm_getcsr();
    if (!flushes_both(mode)) _mm_setcsr(mode | FLUSH_AND_DENORMALS_ZERO);
    return mode;
#elif defined(__aarch64__) && defined(GNU_C)
    uint64_t mode;
    __asm__ volatile("mrs %0, fpcr" : "=r"(mode));
    if (!(mode & FLUSH_TO_ZERO)) __asm__ volatile("msr fpcr, %0" : : "r"(mode | FLUSH_TO_ZERO));
    return mode;
#else
    return 0;
#endif
}

static inline void restore_float_mode(uint64_t mode) {
#if defined(__SSE2__) || defined(_M_X64)
    if (!flushes_both((unsigned)mode)) _mm_setcsr((unsigned)mode);
#elif defined(__aarch64__) && defined(GNU_C)
    if (!(mode & FLUSH_TO_ZERO)) __asm__ volatile("msr fpcr, %0" : : "r"(mode));
#else
    (void)mode;
#endif
}

#endif
