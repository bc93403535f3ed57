/*
 * Says what a program of the image sees as the time, in seconds, how long it waits for a disk, in milliseconds, and how
 * many files it may open: it is started by the image's own dynamic loader and asks the image's own libc, before which
 * clock.c, slow.c and descriptors.c are loaded. It has no start files, which differ from glibc to glibc.
 */
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

static char text[72];
static int place = sizeof text;

static void put(long number, char end) { /* before what is there */
    long left = number < 0 ? -number : number;
    text[--place] = end;
    do text[--place] = '0' + left % 10;
    while (left /= 10);
    if (number < 0) text[--place] = '-';
}

static long milliseconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

__attribute__((used)) static void say(void) {
    long before = milliseconds();
    fdatasync(-1); /* which has nothing to write, and fails */
    long waited = milliseconds() - before;
    struct rlimit files;
    put(getrlimit(RLIMIT_NOFILE, &files) ? -1 : (long)files.rlim_cur, '\n');
    put(waited, ' ');
    put(time(NULL), ' ');
    _exit(write(1, text + place, sizeof text - place) != (ssize_t)(sizeof text - place));
}

#if defined __x86_64__
__asm__(".globl _start\n_start:\n xor %ebp, %ebp\n and $-16, %rsp\n call say\n hlt\n");
#elif defined __aarch64__
__asm__(".globl _start\n_start:\n mov x29, #0\n bl say\n brk #0\n");
#else
#error "no start is known for this machine"
#endif
