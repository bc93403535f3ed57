/*
 * A slow disk: a library that the image's dynamic loader loads before all others, as /etc/ld.so.preload says. What waits
 * for the disk waits longer, and nothing else does: without fsync and its like, files lie in memory on a slow disk, too.
 *
 * CONFIGURATION holds the milliseconds.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sys/mman.h>
#include <time.h>

#include "calls.h"

#define CONFIGURATION "/.seatrial/preload/slow" /* as in runtime/factors/preload.py */

static struct timespec delay;
static int is_set;

__attribute__((constructor)) static void set(void) {
    if (is_set) return;
    is_set = 1;
    char text[32] = "";
    long descriptor = call(SYS_openat, AT_FDCWD, (long)CONFIGURATION, O_RDONLY | O_CLOEXEC, 0, 0);
    if (descriptor < 0) return;
    long got = call(SYS_read, descriptor, (long)text, sizeof text - 1, 0, 0);
    call(SYS_close, descriptor, 0, 0, 0, 0);
    long milliseconds = got > 0 ? number_of(text) : 0;
    delay.tv_sec = milliseconds / 1000;
    delay.tv_nsec = milliseconds % 1000 * 1000000;
}

static void wait_for_disk(void) {
    set();
    struct timespec left = delay; /* a signal ends no fsync: sleep on */
    while ((left.tv_sec || left.tv_nsec) && call(SYS_nanosleep, (long)&left, (long)&left, 0, 0, 0) == -4 /* EINTR */) {}
}

int fsync(int file) { wait_for_disk(); return result(call(SYS_fsync, file, 0, 0, 0, 0)); }
int fdatasync(int file) { wait_for_disk(); return result(call(SYS_fdatasync, file, 0, 0, 0, 0)); }
int syncfs(int file) { wait_for_disk(); return result(call(SYS_syncfs, file, 0, 0, 0, 0)); }
void sync(void) { wait_for_disk(); call(SYS_sync, 0, 0, 0, 0, 0); }

int msync(void *from, size_t size, int flags) {
    if (flags & MS_SYNC) wait_for_disk();
    return result(call(SYS_msync, (long)from, size, flags, 0, 0));
}
