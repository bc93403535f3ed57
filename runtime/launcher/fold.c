/*
 * A volume that keeps the case of names and ignores it: a library that the image's dynamic loader loads before all
 * others, as /etc/ld.so.preload says. A name below the folder in CONFIGURATION that is not there is looked for among the
 * names beside it, in which the letters A to Z may have the other case; what is there as it is written is never replaced.
 *
 * Where CONFIGURATION begins with a "!", a name is found in its own case only, and none can be made beside it that differs
 * by case alone.
 *
 * It looks only where the kernel has found nothing, and opens folders by descriptor, so that links lead where they lead.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#include "calls.h"

#define CONFIGURATION "/.seatrial/preload/fold" /* as in runtime/factors/preload.py */
#define OWN "/.seatrial/preload" /* where the probe looks */
#define MISSING -2 /* ENOENT */
#define EXISTS -17 /* EEXIST */
#define UNKNOWN -38 /* ENOSYS */
#define UNSUPPORTED -95 /* EOPNOTSUPP */

extern FILE *fdopen(int, const char *) __attribute__((weak));
extern DIR *fdopendir(int) __attribute__((weak));

static char folder[PATH_MAX];
static int is_set, is_strict;

__attribute__((constructor)) static void set(void) {
    if (is_set) return;
    is_set = 1;
    long descriptor = call(SYS_openat, AT_FDCWD, (long)CONFIGURATION, O_RDONLY | O_CLOEXEC, 0, 0);
    if (descriptor < 0) return;
    long got = call(SYS_read, descriptor, (long)folder, sizeof folder - 1, 0, 0);
    call(SYS_close, descriptor, 0, 0, 0, 0);
    folder[got > 0 ? got : 0] = 0;
    is_strict = *folder == '!';
}

/* ---- text, without a library ---- */

static size_t size_of(const char *text) {
    size_t size = 0;
    while (text[size]) {
        size++;
        __asm__ volatile(""); /* else compilers call the library for it */
    }
    return size;
}

static void copy(char *to, const char *from, size_t size) {
    for (size_t at = 0; at < size; at++) {
        to[at] = from[at];
        __asm__ volatile("");
    }
}

static char lower(char letter) { return letter >= 'A' && letter <= 'Z' ? letter + 32 : letter; }

static int is_same(const char *one, const char *other, size_t size) { /* but for case, and the second one ends */
    for (size_t at = 0; at < size; at++)
        if (lower(one[at]) != lower(other[at]) || !other[at]) return 0;
    return !other[size];
}

static int begins(const char *path, const char *with) {
    size_t size = size_of(with);
    for (size_t at = 0; at < size; at++)
        if (path[at] != with[at]) return 0;
    return !path[size] || path[size] == '/';
}

/* ---- the search ---- */

static long status_at(int at, const char *path, struct stat *found, int flags) {
#ifdef SYS_newfstatat
    return call(SYS_newfstatat, at, (long)path, (long)found, flags, 0);
#else
    return call(SYS_fstatat, at, (long)path, (long)found, flags, 0);
#endif
}

static int is_folded(int descriptor) { /* whether a folder lies in that of CONFIGURATION */
    char link[32] = "/proc/self/fd/", path[PATH_MAX];
    int at = size_of(link), digits = 0;
    for (int left = descriptor; left || !digits; left /= 10) digits++;
    for (int place = at + digits - 1, left = descriptor; place >= at; place--, left /= 10) link[place] = '0' + left % 10;
    long got = call(SYS_readlinkat, AT_FDCWD, (long)link, (long)path, sizeof path - 1, 0);
    if (got < 0) return 0;
    path[got] = 0;
    return begins(path, folder + is_strict) || begins(path, OWN);
}

struct entry { /* linux_dirent64, linux/dirent.h */
    unsigned long long number;
    long long place;
    unsigned short size;
    unsigned char kind;
    char name[];
};

/* Replaces a name of a folder by the one that is there; tells whether there is one. Two have the same size. */
static int find(int at, char *name, size_t size) {
    char text[4096] __attribute__((aligned(8)));
    long opened = call(SYS_openat, at, (long)".", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0, 0), got;
    if (opened < 0) return 0;
    int is_found = 0;
    while (!is_found && (got = call(SYS_getdents64, opened, (long)text, sizeof text, 0, 0)) > 0)
        for (long place = 0; place < got && !is_found; place += ((struct entry *)(text + place))->size) {
            struct entry *each = (struct entry *)(text + place);
            if (is_same(name, each->name, size)) {
                copy(name, each->name, size);
                is_found = 1;
            }
        }
    call(SYS_close, opened, 0, 0, 0, 0);
    return is_found;
}

/* Gives each name of a path the case that is there, its last one only if wanted; whether all above the last are there. */
static int walk(int at, char *path, int with_last) {
    long here = call(SYS_openat, at, (long)(*path == '/' ? "/" : "."), O_PATH | O_DIRECTORY | O_CLOEXEC, 0, 0);
    int is_there = here >= 0;
    for (char *name = path; is_there;) {
        while (*name == '/') name++;
        size_t size = 0;
        while (name[size] && name[size] != '/') size++;
        char after = name[size], *rest = name + size;
        while (*rest == '/') rest++;
        if (!size) break;
        name[size] = 0;
        struct stat found;
        int is_last = !*rest, is_missing = status_at(here, name, &found, AT_SYMLINK_NOFOLLOW) == MISSING;
        if (is_missing && (!is_last || with_last) && is_folded(here)) is_missing = !find(here, name, size);
        long next = is_last ? -1 : call(SYS_openat, here, (long)name, O_PATH | O_DIRECTORY | O_CLOEXEC, 0, 0);
        name[size] = after;
        if (is_last) break;
        call(SYS_close, here, 0, 0, 0, 0);
        here = next;
        is_there = here >= 0;
        name = rest;
    }
    if (here >= 0) call(SYS_close, here, 0, 0, 0, 0);
    return is_there;
}

struct text { char bytes[PATH_MAX]; };

static const char *looked_for(int at, const char *path, struct text *text, int with_last) {
    size_t size = size_of(path);
    if (size >= sizeof text->bytes) return path;
    copy(text->bytes, path, size + 1);
    return walk(at, text->bytes, with_last) ? text->bytes : path;
}

static const char *there(int at, const char *path, struct text *text) {
    struct stat found;
    set();
    if (!*folder || is_strict || !path || !*path || status_at(at, path, &found, AT_SYMLINK_NOFOLLOW) != MISSING) return path;
    return looked_for(at, path, text, 1);
}

static int collides(int at, const char *path) { /* whether to make it would make two that differ by case alone */
    struct text text;
    struct stat found;
    set();
    if (!is_strict || !path || !*path || status_at(at, path, &found, AT_SYMLINK_NOFOLLOW) != MISSING) return 0;
    return !status_at(at, looked_for(at, path, &text, 1), &found, AT_SYMLINK_NOFOLLOW);
}

/* ---- calls ---- */

#define AT(number, at, path, third, fourth, fifth)                                        \
    struct text text;                                                                     \
    return result(call(number, at, (long)there(at, path, &text), third, fourth, fifth))

static int open_there(int at, const char *path, int flags, mode_t mode) {
    struct text text;
    if ((flags & O_CREAT) && collides(at, path)) return value(EXISTS);
    return value(call(SYS_openat, at, (long)there(at, path, &text), flags, mode, 0));
}

#define MODE(flags)                                              \
    mode_t mode = 0;                                             \
    if ((flags) & (O_CREAT | __O_TMPFILE)) {                     \
        __builtin_va_list more;                                  \
        __builtin_va_start(more, flags);                         \
        mode = __builtin_va_arg(more, mode_t);                   \
        __builtin_va_end(more);                                  \
    }

int open(const char *path, int flags, ...) { MODE(flags) return open_there(AT_FDCWD, path, flags, mode); }
int open64(const char *path, int flags, ...) { MODE(flags) return open_there(AT_FDCWD, path, flags, mode); }
int openat(int at, const char *path, int flags, ...) { MODE(flags) return open_there(at, path, flags, mode); }
int openat64(int at, const char *path, int flags, ...) { MODE(flags) return open_there(at, path, flags, mode); }
int __open_2(const char *path, int flags) { return open_there(AT_FDCWD, path, flags, 0); }
int __open64_2(const char *path, int flags) { return open_there(AT_FDCWD, path, flags, 0); }
int __openat_2(int at, const char *path, int flags) { return open_there(at, path, flags, 0); }
int __openat64_2(int at, const char *path, int flags) { return open_there(at, path, flags, 0); }
int creat(const char *path, mode_t mode) { return open_there(AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode); }
int creat64(const char *path, mode_t mode) { return creat(path, mode); }

static int flags_of(const char *mode) { /* of fopen(3) */
    int is_both = 0, more = 0;
    for (const char *each = mode + 1; *each && *each != ','; each++) {
        is_both |= *each == '+';
        more |= *each == 'x' ? O_EXCL : *each == 'e' ? O_CLOEXEC : 0;
    }
    int writes = *mode == 'w' ? O_CREAT | O_TRUNC : *mode == 'a' ? O_CREAT | O_APPEND : 0;
    return writes | more | (is_both ? O_RDWR : writes ? O_WRONLY : O_RDONLY);
}

FILE *fopen(const char *path, const char *mode) {
    int opened = open_there(AT_FDCWD, path, flags_of(mode), 0666);
    FILE *file = opened < 0 ? NULL : fdopen(opened, mode);
    if (opened >= 0 && !file) call(SYS_close, opened, 0, 0, 0, 0);
    return file;
}
FILE *fopen64(const char *path, const char *mode) { return fopen(path, mode); }

DIR *opendir(const char *path) {
    int opened = open_there(AT_FDCWD, path, O_RDONLY | O_NONBLOCK | O_DIRECTORY | O_CLOEXEC, 0);
    return opened < 0 ? NULL : fdopendir(opened);
}

int fstatat(int at, const char *path, struct stat *found, int flags) {
    struct text text;
    return result(status_at(at, there(at, path, &text), found, flags));
}
int fstatat64(int at, const char *path, struct stat64 *found, int flags) { return fstatat(at, path, (struct stat *)found, flags); }
int stat(const char *path, struct stat *found) { return fstatat(AT_FDCWD, path, found, 0); }
int stat64(const char *path, struct stat64 *found) { return stat(path, (struct stat *)found); }
int lstat(const char *path, struct stat *found) { return fstatat(AT_FDCWD, path, found, AT_SYMLINK_NOFOLLOW); }
int lstat64(const char *path, struct stat64 *found) { return lstat(path, (struct stat *)found); }
/* What programs call that were linked before glibc 2.33. */
int __xstat(int form, const char *path, struct stat *found) { (void)form; return stat(path, found); }
int __xstat64(int form, const char *path, struct stat64 *found) { (void)form; return stat64(path, found); }
int __lxstat(int form, const char *path, struct stat *found) { (void)form; return lstat(path, found); }
int __lxstat64(int form, const char *path, struct stat64 *found) { (void)form; return lstat64(path, found); }
int __fxstatat(int form, int at, const char *path, struct stat *found, int flags) { (void)form; return fstatat(at, path, found, flags); }
int __fxstatat64(int form, int at, const char *path, struct stat64 *found, int flags) { (void)form; return fstatat64(at, path, found, flags); }
int statx(int at, const char *restrict path, int flags, unsigned mask, struct statx *restrict found) { AT(SYS_statx, at, path, flags, mask, (long)found); }

int faccessat(int at, const char *path, int rights, int flags) {
    struct text text;
    const char *found = there(at, path, &text);
    long got = flags ? call(439 /* faccessat2 */, at, (long)found, rights, flags, 0) : UNKNOWN;
    return result(got == UNKNOWN ? call(SYS_faccessat, at, (long)found, rights, 0, 0) : got);
}
int access(const char *path, int rights) { return faccessat(AT_FDCWD, path, rights, 0); }
int eaccess(const char *path, int rights) { return faccessat(AT_FDCWD, path, rights, AT_EACCESS); }
int euidaccess(const char *path, int rights) { return eaccess(path, rights); }

int mkdirat(int at, const char *path, mode_t mode) {
    if (collides(at, path)) return value(EXISTS);
    AT(SYS_mkdirat, at, path, mode, 0, 0);
}
int mkdir(const char *path, mode_t mode) { return mkdirat(AT_FDCWD, path, mode); }
int unlinkat(int at, const char *path, int flags) { AT(SYS_unlinkat, at, path, flags, 0, 0); }
int unlink(const char *path) { return unlinkat(AT_FDCWD, path, 0); }
int rmdir(const char *path) { return unlinkat(AT_FDCWD, path, AT_REMOVEDIR); }
int remove(const char *path) {
    struct stat found;
    if (lstat(path, &found)) return -1;
    return S_ISDIR(found.st_mode) ? rmdir(path) : unlink(path);
}
int symlinkat(const char *to, int at, const char *path) {
    struct text text;
    if (collides(at, path)) return value(EXISTS);
    return result(call(SYS_symlinkat, (long)to, at, (long)there(at, path, &text), 0, 0));
}
int symlink(const char *to, const char *path) { return symlinkat(to, AT_FDCWD, path); }
int linkat(int at, const char *path, int to, const char *name, int flags) {
    struct text first, second;
    if (collides(to, name)) return value(EXISTS);
    return result(call(SYS_linkat, at, (long)there(at, path, &first), to, (long)there(to, name, &second), flags));
}
int link(const char *path, const char *name) { return linkat(AT_FDCWD, path, AT_FDCWD, name, 0); }

/* To rename a file onto its own name in another case changes the case; all else replaces what is there. */
int renameat2(int at, const char *path, int to, const char *name, unsigned flags) {
    struct text first, second;
    struct stat one, other;
    const char *from = there(at, path, &first), *target = there(to, name, &second);
    if (is_strict && collides(to, name)) target = looked_for(to, name, &second, 1);
    int is_same_file = target != name && !status_at(at, from, &one, AT_SYMLINK_NOFOLLOW) &&
                       !status_at(to, target, &other, AT_SYMLINK_NOFOLLOW) && one.st_dev == other.st_dev && one.st_ino == other.st_ino;
    if (is_same_file) target = looked_for(to, name, &second, 0);
    else if (is_strict && target != name) return value(EXISTS);
    return result(call(SYS_renameat2, at, (long)from, to, (long)target, flags));
}
int renameat(int at, const char *path, int to, const char *name) { return renameat2(at, path, to, name, 0); }
int rename(const char *path, const char *name) { return renameat2(AT_FDCWD, path, AT_FDCWD, name, 0); }

ssize_t readlinkat(int at, const char *restrict path, char *restrict to, size_t size) {
    struct text text;
    return value(call(SYS_readlinkat, at, (long)there(at, path, &text), (long)to, size, 0));
}
ssize_t readlink(const char *restrict path, char *restrict to, size_t size) { return readlinkat(AT_FDCWD, path, to, size); }

int fchmodat(int at, const char *path, mode_t mode, int flags) {
    struct text text;
    const char *found = there(at, path, &text);
    if (!flags) return result(call(SYS_fchmodat, at, (long)found, mode, 0, 0));
    long got = call(452 /* fchmodat2 */, at, (long)found, mode, flags, 0);
    return result(got == UNKNOWN ? UNSUPPORTED : got);
}
int chmod(const char *path, mode_t mode) { return fchmodat(AT_FDCWD, path, mode, 0); }
int fchownat(int at, const char *path, uid_t user, gid_t group, int flags) { AT(SYS_fchownat, at, path, user, group, flags); }
int chown(const char *path, uid_t user, gid_t group) { return fchownat(AT_FDCWD, path, user, group, 0); }
int lchown(const char *path, uid_t user, gid_t group) { return fchownat(AT_FDCWD, path, user, group, AT_SYMLINK_NOFOLLOW); }
int utimensat(int at, const char *path, const struct timespec times[2], int flags) { AT(SYS_utimensat, at, path, (long)times, flags, 0); }
int truncate(const char *path, off_t size) {
    struct text text;
    return result(call(SYS_truncate, (long)there(AT_FDCWD, path, &text), size, 0, 0, 0));
}
int truncate64(const char *path, off64_t size) { return truncate(path, size); }
int chdir(const char *path) {
    struct text text;
    return result(call(SYS_chdir, (long)there(AT_FDCWD, path, &text), 0, 0, 0, 0));
}
int execve(const char *path, char *const argv[], char *const environment[]) {
    struct text text;
    return result(call(SYS_execve, (long)there(AT_FDCWD, path, &text), (long)argv, (long)environment, 0, 0));
}
int inotify_add_watch(int watcher, const char *path, uint32_t events) {
    struct text text;
    return value(call(SYS_inotify_add_watch, watcher, (long)there(AT_FDCWD, path, &text), events, 0, 0));
}

#define NAMED(number, path, second, third, fourth, fifth) \
    struct text text;                                     \
    return value(call(number, (long)there(AT_FDCWD, path, &text), second, third, fourth, fifth))

ssize_t getxattr(const char *path, const char *name, void *to, size_t size) { NAMED(SYS_getxattr, path, (long)name, (long)to, size, 0); }
ssize_t lgetxattr(const char *path, const char *name, void *to, size_t size) { NAMED(SYS_lgetxattr, path, (long)name, (long)to, size, 0); }
ssize_t listxattr(const char *path, char *to, size_t size) { NAMED(SYS_listxattr, path, (long)to, size, 0, 0); }
ssize_t llistxattr(const char *path, char *to, size_t size) { NAMED(SYS_llistxattr, path, (long)to, size, 0, 0); }
int setxattr(const char *path, const char *name, const void *from, size_t size, int flags) { NAMED(SYS_setxattr, path, (long)name, (long)from, size, flags); }
int lsetxattr(const char *path, const char *name, const void *from, size_t size, int flags) { NAMED(SYS_lsetxattr, path, (long)name, (long)from, size, flags); }
int removexattr(const char *path, const char *name) { NAMED(SYS_removexattr, path, (long)name, 0, 0, 0); }
