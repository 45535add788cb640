/* Red zones: memory between the pieces of a workspace that nobody may touch. AddressSanitizer watches
   over what malloc returns; pieces of one block it must be told of. Nothing in any other build. */

#ifndef FASTNN_REDZONE_H
#define FASTNN_REDZONE_H

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#define REDZONE 64 /* bytes behind each piece */
#define forbid(address, n_bytes) ASAN_POISON_MEMORY_REGION(address, n_bytes)
#define allow(address, n_bytes) ASAN_UNPOISON_MEMORY_REGION(address, n_bytes)
#else
#define REDZONE 0
#define forbid(address, n_bytes) ((void)(address), (void)(n_bytes))
#define allow(address, n_bytes) ((void)(address), (void)(n_bytes))
#endif

#endif
