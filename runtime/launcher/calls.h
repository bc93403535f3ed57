/*
 * What a library needs that uses no library: system calls, errno, numbers. It fits every glibc.
 */
#include <stddef.h>
#include <sys/syscall.h>

extern int *__errno_location(void) __attribute__((weak));

static long call(long number, long first, long second, long third, long fourth, long fifth) {
#if defined __x86_64__
    long got;
    register long r10 __asm__("r10") = fourth;
    register long r8 __asm__("r8") = fifth;
    __asm__ volatile("syscall"
                     : "=a"(got)
                     : "a"(number), "D"(first), "S"(second), "d"(third), "r"(r10), "r"(r8)
                     : "rcx", "r11", "memory");
    return got;
#elif defined __aarch64__
    register long x8 __asm__("x8") = number;
    register long x0 __asm__("x0") = first;
    register long x1 __asm__("x1") = second;
    register long x2 __asm__("x2") = third;
    register long x3 __asm__("x3") = fourth;
    register long x4 __asm__("x4") = fifth;
    __asm__ volatile("svc #0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4) : "memory");
    return x0;
#else
#error "no system calls are known for this machine"
#endif
}

static int result(long got) {
    if (got >= 0) return 0;
    if (__errno_location) *__errno_location() = -got;
    return -1;
}

static long number_of(const char *text) {
    int is_negative = *text == '-';
    long number = 0;
    for (text += *text == '-' || *text == '+'; *text >= '0' && *text <= '9'; text++) number = number * 10 + *text - '0';
    return is_negative ? -number : number;
}
