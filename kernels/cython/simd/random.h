/* The order of rows, drawn as NumPy draws it: `Generator.permutation` and `RandomState.shuffle`.

   A bit generator is NumPy's own, reached through its capsule, or a PCG64 (O'Neill, 2014: XSL-RR on
   128 bits) whose state lies in an array, 48 bytes for each of a million networks. */

#ifndef FASTNN_RANDOM_H
#define FASTNN_RANDOM_H

#include <stddef.h>
#include <stdint.h>

/* As in numpy/random/bitgen.h. */
struct bit_generator {
    void *state;
    uint64_t (*next_uint64)(void *state);
    uint32_t (*next_uint32)(void *state);
    double (*next_double)(void *state);
    uint64_t (*next_raw)(void *state);
};

struct pcg64 {
    uint64_t high, low, step_high, step_low;
    uint64_t has_half; /* whether the upper half of the last number is still to be used */
    uint64_t half;
};

#define PCG_HIGH 0x2360ED051FC65DA4u
#define PCG_LOW 0x4385DF649FCCF645u

/* The 128-bit product of two numbers. */
static inline uint64_t product_of(uint64_t a, uint64_t b, uint64_t *high) {
#ifdef __SIZEOF_INT128__
    const unsigned __int128 product = (unsigned __int128)a * b;
    *high = (uint64_t)(product >> 64);
    return (uint64_t)product;
#else
    const uint64_t a0 = (uint32_t)a, a1 = a >> 32, b0 = (uint32_t)b, b1 = b >> 32;
    const uint64_t middle = a1 * b0 + (a0 * b0 >> 32);
    const uint64_t other = a0 * b1 + (uint32_t)middle;
    *high = a1 * b1 + (middle >> 32) + (other >> 32);
    return a * b;
#endif
}

static inline uint64_t pcg64_next(void *state) {
    struct pcg64 *g = (struct pcg64 *)state;
    uint64_t high;
    uint64_t low = product_of(g->low, PCG_LOW, &high);
    high += g->high * PCG_LOW + g->low * PCG_HIGH;
    low += g->step_low;
    high += g->step_high + (low < g->step_low);
    g->high = high, g->low = low;
    const unsigned turn = (unsigned)(high >> 58);
    const uint64_t mixed = high ^ low;
    return (mixed >> turn) | (mixed << (-turn & 63));
}

static inline uint32_t pcg64_next_half(void *state) {
    struct pcg64 *g = (struct pcg64 *)state;
    if (g->has_half) {
        g->has_half = 0;
        return (uint32_t)g->half;
    }
    const uint64_t next = pcg64_next(state);
    g->has_half = 1;
    g->half = next >> 32;
    return (uint32_t)next;
}

/* Shuffle n numbers (Fisher and Yates); the other of each exchange is drawn by mask and rejection. */
static inline void shuffle(const struct bit_generator *g, int64_t *numbers, ptrdiff_t n) {
    uint64_t mask = UINT64_MAX, j;
    for (ptrdiff_t i = n - 1; i > 0; i--) {
        const uint64_t most = (uint64_t)i;
        while (mask >> 1 >= most) mask >>= 1;
        do {
            j = (most <= UINT32_MAX ? g->next_uint32(g->state) : g->next_uint64(g->state)) & mask;
        } while (j > most);
        const int64_t number = numbers[i];
        numbers[i] = numbers[j];
        numbers[j] = number;
    }
}

#endif
