/*
 * What a library needs that uses no library: system calls, errno, numbers. It fits every glibc.
 */
#include <stddef.h>
#include <sys/syscall.h>
#include <sys/types.h>

extern int *__errno_location(void) __attribute__((weak));

static long call6(long number, long first, long second, long third, long fourth, long fifth, long sixth) {
#if defined __x86_64__
    long got;
    register long r10 __asm__("r10") = fourth;
    register long r8 __asm__("r8") = fifth;
    register long r9 __asm__("r9") = sixth;
    __asm__ volatile("syscall"
                     : "=a"(got)
                     : "a"(number), "D"(first), "S"(second), "d"(third), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return got;
#elif defined __aarch64__
    register long x8 __asm__("x8") = number;
    register long x0 __asm__("x0") = first;
    register long x1 __asm__("x1") = second;
    register long x2 __asm__("x2") = third;
    register long x3 __asm__("x3") = fourth;
    register long x4 __asm__("x4") = fifth;
    register long x5 __asm__("x5") = sixth;
    __asm__ volatile("svc #0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5) : "memory");
    return x0;
#else
#error "no system calls are known for this machine"
#endif
}

__attribute__((unused)) static long call(long number, long first, long second, long third, long fourth, long fifth) {
    return call6(number, first, second, third, fourth, fifth, 0);
}

static ssize_t value(long got) { /* as the C library has it: -1 and errno for a failure */
    if (got >= 0) return got;
    if (__errno_location) *__errno_location() = -got;
    return -1;
}

__attribute__((unused)) static int result(long got) { return value(got) < 0 ? -1 : 0; }

__attribute__((unused)) static long number_of(const char *text) {
    int is_negative = *text == '-';
    long number = 0;
    for (text += *text == '-' || *text == '+'; *text >= '0' && *text <= '9'; text++) number = number * 10 + *text - '0';
    return is_negative ? -number : number;
}
