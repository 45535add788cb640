/* What clang-cl's code asks of MSVC's run-time library, for programs that MinGW links. */

#include <stdint.h>
#include <stdlib.h>

uintptr_t __security_cookie = 0x2b992ddfa232;

void __security_check_cookie(uintptr_t cookie) {
    if (cookie != __security_cookie) abort();
}
