/* Which instruction set serves this process: decided from what its processor says (processor.h). */

#include <string.h>

#include "compiler.h"
#include "kernels.h"

#if defined(FASTNN_X86)
#include "processor.h"
#define ON_X86(...) __VA_ARGS__
#else
#define ON_X86(...)
#endif
#if defined(FASTNN_ARM64)
#define ON_ARM64(...) __VA_ARGS__
#else
#define ON_ARM64(...)
#endif
#define EVERYWHERE(...) __VA_ARGS__

/* The instruction sets, widest first: of which machines, and whether this processor has it. Each is
   a header in targets/ too, and has its flags in setup.py. */
#define INSTRUCTION_SETS(X) \
    X(avx512, ON_X86, runs_avx512()) \
    X(avx2, ON_X86, runs_avx2()) \
    X(neon, ON_ARM64, 1) \
    X(baseline, EVERYWHERE, 1)

#define TABLES(NAME, BUILT, RUNS) \
    BUILT(extern const struct kernels fastnn_single_##NAME, fastnn_double_##NAME;)
INSTRUCTION_SETS(TABLES)

#define ENTRY(NAME, BUILT, RUNS) BUILT({#NAME, &fastnn_single_##NAME, &fastnn_double_##NAME}, )
static const struct instruction_set BUILT_SETS[] = {INSTRUCTION_SETS(ENTRY)};
#define N_BUILT (sizeof BUILT_SETS / sizeof *BUILT_SETS)

#define TEXT(NAME, BUILT, RUNS) #NAME,
static const char *const KNOWN[] = {INSTRUCTION_SETS(TEXT)};

static int runs_here(const char *name) {
#define CASE(NAME, BUILT, RUNS) BUILT(if (!strcmp(name, #NAME)) return RUNS;)
    INSTRUCTION_SETS(CASE)
#undef CASE
    return 0;
}

const struct instruction_set *choose_instruction_set(const char *name, int *known) {
    *known = name == NULL;
    for (size_t i = 0; name && i < sizeof KNOWN / sizeof *KNOWN; i++)
        *known |= !strcmp(name, KNOWN[i]);
    for (size_t i = 0; i < N_BUILT; i++) {
        const struct instruction_set *const set = BUILT_SETS + i;
        if ((!name || !strcmp(name, set->name)) && runs_here(set->name)) return set;
    }
    return NULL;
}

const char *runnable_instruction_set(size_t n) {
    for (size_t i = 0; i < N_BUILT; i++)
        if (runs_here(BUILT_SETS[i].name) && n-- == 0) return BUILT_SETS[i].name;
    return NULL;
}

#if defined(GNU_C)
#define IS_SCALAR 0
#else
#define IS_SCALAR 1
#endif

const char *scalar_compiler(void) { return IS_SCALAR ? COMPILER : NULL; }
