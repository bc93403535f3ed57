/*
 * Says what a program of the image sees as the time, in seconds: it is started by the image's own dynamic loader and
 * asks the image's own libc, before which clock.c is loaded. It has no start files, which differ from glibc to glibc.
 */
#include <time.h>
#include <unistd.h>

__attribute__((used)) static void say(void) {
    char text[24];
    int place = sizeof text;
    long now = time(NULL), left = now < 0 ? -now : now;
    do text[--place] = '0' + left % 10;
    while (left /= 10);
    if (now < 0) text[--place] = '-';
    _exit(write(1, text + place, sizeof text - place) != (ssize_t)(sizeof text - place));
}

#if defined __x86_64__
__asm__(".globl _start\n_start:\n xor %ebp, %ebp\n and $-16, %rsp\n call say\n hlt\n");
#elif defined __aarch64__
__asm__(".globl _start\n_start:\n mov x29, #0\n bl say\n brk #0\n");
#else
#error "no start is known for this machine"
#endif
