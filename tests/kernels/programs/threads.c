/* Threads of Windows at the barrier of simd/barrier.h, and in a pool as kernels/cython/pool.pxi has one.

       threads N_THREADS ROUNDS

   Prints how often the threads came together, or what one of them saw too early. */

#include <process.h>
#include <stdio.h>
#include <stdlib.h>

#include "simd/barrier.h"

#define MOST_THREADS 64

static int n_threads, n_rounds;
static struct barrier barrier;
static long written[MOST_THREADS]; /* plain numbers: the barrier alone orders reads and writes */

static void refuse(const char *what, long got, long expected) {
    printf("%s: %ld, not %ld\n", what, got, expected);
    fflush(stdout);
    _exit(1);
}

/* -- the barrier: whatever was written before it is seen behind it ------------------------------------- */

static void go_round(int member) {
    for (long round = 1; round <= n_rounds; round++) {
        written[member] = round;
        wait_at(&barrier, n_threads);
        for (int other = 0; other < n_threads; other++)
            if (written[other] != round) refuse("behind the barrier", written[other], round);
        wait_at(&barrier, n_threads);
    }
}

static unsigned __stdcall member_main(void *number) {
    go_round((int)(intptr_t)number);
    return 0;
}

/* -- the pool: helpers asleep until they are wanted, one caller at a time ------------------------------- */

static shared_number taken, done, passes_by_team, passes_alone, stopped;
static HANDLE bells[MOST_THREADS];
static long sums[MOST_THREADS];
static long pass; /* what the helpers work at */

static unsigned __stdcall helper_main(void *number) {
    const int helper = (int)(intptr_t)number;
    for (;;) {
        WaitForSingleObject(bells[helper], INFINITE);
        if (read_shared(&stopped)) return 0;
        sums[helper] = pass * 1000 + helper;
        add_one(&done);
    }
}

static void go_through(long number) {
    if (!take(&taken)) {
        add_one(&passes_alone);
        return;
    }
    pass = number;
    write_shared(&done, 0);
    for (int i = 0; i < n_threads; i++) ReleaseSemaphore(bells[i], 1, NULL);
    for (long n = 0; read_shared(&done) < n_threads; n++) give_way(n);
    for (int i = 0; i < n_threads; i++)
        if (sums[i] != number * 1000 + i) refuse("from a helper", sums[i], number * 1000 + i);
    add_one(&passes_by_team);
    write_shared(&taken, 0);
}

static unsigned __stdcall caller_main(void *number) {
    for (int round = 0; round < n_rounds; round++) go_through((intptr_t)number * n_rounds + round);
    return 0;
}

static HANDLE start(unsigned(__stdcall *work)(void *), int number) {
    const HANDLE thread = (HANDLE)_beginthreadex(NULL, 0, work, (void *)(intptr_t)number, 0, NULL);
    if (!thread) refuse("a thread that starts", 0, 1);
    return thread;
}

static void join(HANDLE thread) {
    WaitForSingleObject(thread, INFINITE);
    CloseHandle(thread);
}

int main(int argc, char **argv) {
    HANDLE threads[MOST_THREADS], callers[2];
    if (argc != 3) return 2;
    n_threads = atoi(argv[1]);
    n_rounds = atoi(argv[2]);
    const double begin = seconds_now();

    for (int i = 1; i < n_threads; i++) threads[i] = start(member_main, i);
    go_round(0);
    for (int i = 1; i < n_threads; i++) join(threads[i]);
    if (read_shared(&barrier.opened) != 2L * n_rounds)
        refuse("openings", read_shared(&barrier.opened), 2L * n_rounds);

    for (int i = 0; i < n_threads; i++) {
        bells[i] = CreateSemaphoreA(NULL, 0, 1, NULL);
        threads[i] = start(helper_main, i);
    }
    for (int i = 0; i < 2; i++) callers[i] = start(caller_main, i);
    for (int i = 0; i < 2; i++) join(callers[i]);
    write_shared(&stopped, 1);
    for (int i = 0; i < n_threads; i++) {
        ReleaseSemaphore(bells[i], 1, NULL);
        join(threads[i]);
    }
    const long passes = read_shared(&passes_by_team) + read_shared(&passes_alone);
    if (passes != 2L * n_rounds) refuse("passes", passes, 2L * n_rounds);
    if (read_shared(&taken)) refuse("taken", 1, 0);
    if (seconds_now() <= begin) refuse("the clock went on", 0, 1);
    printf("%ld openings, %ld passes by the team\n", read_shared(&barrier.opened),
           read_shared(&passes_by_team));
    return 0;
}
