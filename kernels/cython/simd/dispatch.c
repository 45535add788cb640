/* Which instruction set serves this process: decided from cpuid and, since the system must save the
   wide registers too, from XGETBV (both are what __builtin_cpu_supports reads). */

#include <string.h>

#include "kernels.h"

#define TABLES(ISA) extern const struct kernels fastnn_single_##ISA, fastnn_double_##ISA;
#define ENTRY(ISA) {#ISA, &fastnn_single_##ISA, &fastnn_double_##ISA}

TABLES(baseline)
#ifdef FASTNN_X86
TABLES(avx2)
TABLES(avx512)
#endif
#ifdef FASTNN_ARM64
TABLES(neon)
#endif

/* Widest first. */
static const struct instruction_set BUILT[] = {
#ifdef FASTNN_X86
    ENTRY(avx512),
    ENTRY(avx2),
#endif
#ifdef FASTNN_ARM64
    ENTRY(neon),
#endif
    ENTRY(baseline),
};
#define N_BUILT (sizeof BUILT / sizeof *BUILT)

static const char *const KNOWN[] = {"avx512", "avx2", "neon", "baseline"};

static int runs_here(const char *name) {
#ifdef FASTNN_X86
    __builtin_cpu_init();
    if (!strcmp(name, "avx512"))
        return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
               __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
               __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
               __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2");
    if (!strcmp(name, "avx2"))
        return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
               __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2");
#else
    (void)name;
#endif
    return 1;
}

const struct instruction_set *choose_instruction_set(const char *name, int *known) {
    *known = name == NULL;
    for (size_t i = 0; name && i < sizeof KNOWN / sizeof *KNOWN; i++)
        *known |= !strcmp(name, KNOWN[i]);
    for (size_t i = 0; i < N_BUILT; i++)
        if ((!name || !strcmp(name, BUILT[i].name)) && runs_here(BUILT[i].name)) return &BUILT[i];
    return NULL;
}

const char *runnable_instruction_set(size_t n) {
    for (size_t i = 0; i < N_BUILT; i++)
        if (runs_here(BUILT[i].name) && n-- == 0) return BUILT[i].name;
    return NULL;
}
