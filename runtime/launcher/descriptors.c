/*
 * More open files than anybody has: a library that the image's dynamic loader loads before all others, as
 * /etc/ld.so.preload says. It tells programs of a limit that only a machine with another fs.nr_open could give, since
 * what such a limit breaks are programs that count up to it, and none that open so many files.
 *
 * A limit that a program sets for itself below the true one holds, and is told as it is. /proc/self/limits stays true.
 *
 * CONFIGURATION holds two numbers: what is told, and what the limit is.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "calls.h"

#define CONFIGURATION "/.seatrial/preload/descriptors" /* as in runtime/factors/preload.py */

extern long __sysconf(int name) __attribute__((weak));
extern void *dlsym(void *handle, const char *name) __attribute__((weak)); /* in libc itself since glibc 2.34 */

static rlim_t told, real;
static int is_set;

__attribute__((constructor)) static void set(void) {
    if (is_set) return;
    is_set = 1;
    char text[64] = "";
    long descriptor = call(SYS_openat, AT_FDCWD, (long)CONFIGURATION, O_RDONLY | O_CLOEXEC, 0, 0);
    if (descriptor < 0) return;
    long got = call(SYS_read, descriptor, (long)text, sizeof text - 1, 0, 0);
    call(SYS_close, descriptor, 0, 0, 0, 0);
    const char *second = text;
    while (*second && *second != ' ') second++;
    if (got <= 0 || !*second) return;
    told = number_of(text);
    real = number_of(second + 1);
}

static rlim_t seen(rlim_t limit) { return limit == real ? told : limit; }
static rlim_t wanted(rlim_t limit) { return limit > real && limit <= told ? real : limit; }

int prlimit(pid_t pid, enum __rlimit_resource resource, const struct rlimit *new, struct rlimit *old) {
    if (resource != RLIMIT_NOFILE) return result(call(SYS_prlimit64, pid, resource, (long)new, (long)old, 0));
    set();
    struct rlimit asked;
    if (new) asked = (struct rlimit){.rlim_cur = wanted(new->rlim_cur), .rlim_max = wanted(new->rlim_max)};
    long got = call(SYS_prlimit64, pid, resource, (long)(new ? &asked : NULL), (long)old, 0);
    if (got == 0 && old) *old = (struct rlimit){.rlim_cur = seen(old->rlim_cur), .rlim_max = seen(old->rlim_max)};
    return result(got);
}

int getrlimit(__rlimit_resource_t resource, struct rlimit *found) { return prlimit(0, resource, NULL, found); }
int setrlimit(__rlimit_resource_t resource, const struct rlimit *limit) { return prlimit(0, resource, limit, NULL); }

/* The same on machines of 64 bits: rlim_t has 64. */
int prlimit64(pid_t, enum __rlimit_resource, const struct rlimit64 *, struct rlimit64 *) __attribute__((alias("prlimit")));
int getrlimit64(__rlimit_resource_t, struct rlimit64 *) __attribute__((alias("getrlimit")));
int setrlimit64(__rlimit_resource_t, const struct rlimit64 *) __attribute__((alias("setrlimit")));

int getdtablesize(void) {
    struct rlimit found;
    return getrlimit(RLIMIT_NOFILE, &found) ? 256 : (int)found.rlim_cur; /* 256: OPEN_MAX, as in glibc */
}

long sysconf(int name) {
    if (name == _SC_OPEN_MAX) return getdtablesize();
    /* Another library of ours may answer for other names. */
    long (*next)(int) = dlsym ? (long (*)(int))dlsym((void *)-1 /* RTLD_NEXT */, "sysconf") : NULL;
    if (!next) next = __sysconf;
    return next ? next(name) : -1;
}
