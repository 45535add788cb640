/* A program without an operating system on a Cortex-M: it prints through semihosting, and exits. */
#ifndef CORTEX_M_H
#define CORTEX_M_H

#include <stdint.h>

enum { SYS_WRITE0 = 0x04, SYS_EXIT = 0x18, APPLICATION_EXIT = 0x20026 };

static void semihosting(uint32_t operation, uint32_t argument)
{
    register uint32_t r0 __asm__("r0") = operation;
    register uint32_t r1 __asm__("r1") = argument;
    __asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
}

/* One number in hexadecimal on a line of its own. */
static void print(int32_t number)
{
    const char digits[] = "0123456789abcdef";
    char text[10];
    for (int i = 0; i < 8; i++) {
        text[i] = digits[((uint32_t)number >> (28 - 4 * i)) & 15u];
    }
    text[8] = '\n';
    text[9] = '\0';
    semihosting(SYS_WRITE0, (uint32_t)(uintptr_t)text);
}

int main(void);

void reset(void)
{
    main();
    semihosting(SYS_EXIT, APPLICATION_EXIT);
    for (;;) {
    }
}

static void fault(void)
{
    print(-1);
    semihosting(SYS_EXIT, 0);
    for (;;) {
    }
}

__attribute__((section(".vectors"), used)) static void (*const vectors[16])(void) = {
    (void (*)(void))0x20400000, /* the stack: the end of RAM */
    reset, fault, fault, fault, fault, fault,
};

#endif
