/* Where threads wait for each other, a few times in each minibatch.

   The last to arrive opens the gate for all. The others watch it: for some microseconds without a
   break, since the others are usually about to come, then giving way to other threads at each look,
   for the one that is missing may be waiting for this very processor; then asleep between looks, so
   that a team whose members do not get processors takes none from other programs. */

#ifndef FASTNN_BARRIER_H
#define FASTNN_BARRIER_H

#include <time.h>

#include "compiler.h"

#if defined(_WIN32)
/* Without its macros named min and max, and interfaces with names as short as `small`. */
#if !defined(NOMINMAX)
#define NOMINMAX
#endif
#if !defined(WIN32_LEAN_AND_MEAN)
#define WIN32_LEAN_AND_MEAN
#endif
#include <windows.h>
#define GIVE_WAY() SwitchToThread()
#else
#include <sched.h>
#define GIVE_WAY() sched_yield()
#endif

#if defined(_MSC_VER) && !defined(GNU_C)
#define RELAX() YieldProcessor()
typedef volatile long shared_number;
static inline long read_shared(shared_number *n) { return InterlockedOr(n, 0); }
static inline void write_shared(shared_number *n, long value) { InterlockedExchange(n, value); }
static inline long add_one(shared_number *n) { return InterlockedIncrement(n); }
static inline int take(shared_number *n) { return InterlockedCompareExchange(n, 1, 0) == 0; }
#else
#if defined(__x86_64__) || defined(__i386__)
#define RELAX() __builtin_ia32_pause()
#elif defined(__aarch64__)
/* Tens of cycles, as x86's pause; yield takes none (Rust's spin_loop, rust-lang/rust#84725). */
#define RELAX() __asm__ volatile("isb")
#else
#define RELAX() ((void)0)
#endif
typedef long shared_number;
static inline long read_shared(shared_number *n) { return __atomic_load_n(n, __ATOMIC_ACQUIRE); }
static inline void write_shared(shared_number *n, long value) {
    __atomic_store_n(n, value, __ATOMIC_RELEASE);
}
static inline long add_one(shared_number *n) { return __atomic_add_fetch(n, 1, __ATOMIC_ACQ_REL); }
/* Set to 1 what is 0; whether it was. */
static inline int take(shared_number *n) {
    long free = 0;
    return __atomic_compare_exchange_n(n, &free, 1, 0, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED);
}
#endif

#define SPINS 2000 /* 30 to 100 µs */
#define YIELDS 20
#define NAP_MICROSECONDS 50

/* Zeros to begin with. The numbers lie in cache lines of their own: those who watch one are not
   disturbed by changes of the other. */
struct barrier {
    shared_number arrived;
    char apart[64 - sizeof(shared_number)];
    shared_number opened; /* how often */
    char from_what_follows[64 - sizeof(shared_number)];
};

/* Seconds that all but the first lose at each barrier: tests see what is done about slow processors. */
static double handicap = 0.0;

/* Between the looks of one who waits, counted from 0. */
static inline void give_way(long n) {
    if (n < YIELDS) {
        GIVE_WAY();
        return;
    }
#if defined(_WIN32)
    Sleep(1);
#else
    const struct timespec nap = {0, 1000 * NAP_MICROSECONDS};
    nanosleep(&nap, NULL);
#endif
}

/* Of a clock that nobody sets. */
static inline double seconds_now(void) {
#if defined(_WIN32)
    LARGE_INTEGER count, frequency;
    QueryPerformanceCounter(&count);
    QueryPerformanceFrequency(&frequency);
    return (double)count.QuadPart / (double)frequency.QuadPart;
#else
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
#endif
}

/* Wait until n_threads threads are here; what each wrote before, all see afterwards. Returns the
   seconds that were spent in giving way. */
static inline double wait_at(struct barrier *b, int n_threads) {
    if (n_threads == 1) return 0.0;
    const long before = read_shared(&b->opened);
    if (add_one(&b->arrived) == n_threads) {
        write_shared(&b->arrived, 0);
        write_shared(&b->opened, before + 1);
        return 0.0;
    }
    for (int n = 0; n < SPINS; n++) {
        if (read_shared(&b->opened) != before) return 0.0;
        RELAX();
    }
    const double begin = seconds_now();
    for (long n = 0; read_shared(&b->opened) == before; n++) give_way(n);
    return seconds_now() - begin;
}

#endif
