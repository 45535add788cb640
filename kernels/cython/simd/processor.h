/* What an x86 processor has and the system saves: from CPUID and, since the system must save the wide
   registers too, XGETBV. __builtin_cpu_supports reads them too, but needs a library of the compiler's that
   clang-cl does not link. Bits: Intel's Software Developer's Manual, volume 2, CPUID, and volume 1, 13.3. */

#ifndef FASTNN_PROCESSOR_H
#define FASTNN_PROCESSOR_H

#include <cpuid.h>

#define BIT(N) (1u << (N))
#define ALL_OF(BITS, WANTED) (((BITS) & (WANTED)) == (WANTED))

/* Leaf 1, ECX */
#define HAS_FMA BIT(12)
#define HAS_OSXSAVE BIT(27)
#define HAS_AVX BIT(28)
/* Leaf 7, EBX */
#define HAS_BMI1 BIT(3)
#define HAS_AVX2 BIT(5)
#define HAS_BMI2 BIT(8)
#define HAS_AVX512F BIT(16)
#define HAS_AVX512DQ BIT(17)
#define HAS_AVX512BW BIT(30)
#define HAS_AVX512VL BIT(31)
/* XCR0: halves of the YMM registers; masks, halves of the ZMM registers, and those beyond 15 */
#define SAVES_YMM (BIT(1) | BIT(2))
#define SAVES_ZMM (SAVES_YMM | BIT(5) | BIT(6) | BIT(7))

struct processor {
    unsigned one, seven, saved;
};

static inline struct processor this_processor(void) {
    struct processor has = {0, 0, 0};
    unsigned a, b, c, d;
    if (!__get_cpuid(1, &a, &b, &c, &d)) return has;
    has.one = c;
    if (__get_cpuid_count(7, 0, &a, &b, &c, &d)) has.seven = b;
    if (has.one & HAS_OSXSAVE) __asm__ volatile("xgetbv" : "=a"(has.saved), "=d"(d) : "c"(0));
#if defined(__APPLE__)
    /* Darwin saves the ZMM registers of a thread from its first use of them on, and says so then only. */
    if (ALL_OF(has.saved, SAVES_YMM)) has.saved |= SAVES_ZMM;
#endif
    return has;
}

static inline int runs_avx2(void) {
    const struct processor has = this_processor();
    return ALL_OF(has.one, HAS_FMA | HAS_AVX) &&
           ALL_OF(has.seven, HAS_BMI1 | HAS_AVX2 | HAS_BMI2) && ALL_OF(has.saved, SAVES_YMM);
}

static inline int runs_avx512(void) {
    const struct processor has = this_processor();
    return runs_avx2() && ALL_OF(has.saved, SAVES_ZMM) &&
           ALL_OF(has.seven, HAS_AVX512F | HAS_AVX512DQ | HAS_AVX512BW | HAS_AVX512VL);
}

#endif
