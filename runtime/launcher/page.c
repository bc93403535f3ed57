/*
 * The page size of another machine, as far as a program asks for it: a library that the image's dynamic loader loads
 * before all others, as /etc/ld.so.preload says. The kernel's pages stay as they are; a file can be mapped from a whole
 * number of the other pages only.
 *
 * CONFIGURATION holds the bytes of a page.
 */
#define _GNU_SOURCE
#include <elf.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "calls.h"

#define CONFIGURATION "/.seatrial/preload/page" /* as in runtime/factors/preload.py */
#define INVALID -22 /* EINVAL */

extern long __sysconf(int name);
extern unsigned long __getauxval(unsigned long kind);

static long page;
static int is_set;

__attribute__((constructor)) static void set(void) {
    if (is_set) return;
    is_set = 1;
    char text[32] = "";
    long descriptor = call(SYS_openat, AT_FDCWD, (long)CONFIGURATION, O_RDONLY | O_CLOEXEC, 0, 0);
    if (descriptor < 0) return;
    long got = call(SYS_read, descriptor, (long)text, sizeof text - 1, 0, 0);
    call(SYS_close, descriptor, 0, 0, 0, 0);
    if (got > 0) page = number_of(text);
}

long sysconf(int name) {
    set();
    if (name == _SC_PAGESIZE && page) return page;
    long whole = __sysconf(name);
    int is_count = name == _SC_PHYS_PAGES || name == _SC_AVPHYS_PAGES; /* so that both give the same memory as before */
    return is_count && page && whole > 0 ? whole / (page / __sysconf(_SC_PAGESIZE)) : whole;
}

int getpagesize(void) { return sysconf(_SC_PAGESIZE); }

unsigned long getauxval(unsigned long kind) {
    set();
    return kind == AT_PAGESZ && page ? (unsigned long)page : __getauxval(kind);
}

static void *map(void *where, size_t size, int rights, int flags, int file, off_t from) {
    set();
    long is_whole = !page || from % page == 0;
    return (void *)value(is_whole ? call6(SYS_mmap, (long)where, size, rights, flags, file, from) : INVALID);
}

void *mmap(void *where, size_t size, int rights, int flags, int file, off_t from) {
    return map(where, size, rights, flags, file, from);
}

void *mmap64(void *where, size_t size, int rights, int flags, int file, off64_t from) {
    return map(where, size, rights, flags, file, from);
}
