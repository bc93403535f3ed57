/*
 * The launcher: the first program of a run in a container that somebody else's runtime made.
 *
 * It is static and knows no library of the image. It sets what a runtime cannot be told (umask, CPUs, ignored signals,
 * a closed stdin), answers the questions of the factors' probes from inside, and becomes the program, or stays its
 * process 1: then it reaps orphans, hands signals on, and writes the program's wait status when all else has ended.
 *
 *   launcher [--init STATUS] [--umask OCTAL] [--cpus COUNT:N,N] [--ignore N,N] [--limit NUMBER=VALUE] [--stdin null|closed] [--environment FILE]
 *            [--ask QUESTIONS ANSWERS] [--await FILE] -- PROGRAM ARGUMENT...
 *
 * FILE holds the whole environment, NUL behind each entry: runtimes add variables of their own, which are dropped.
 *
 * Started by the name "init" alone, it is process 1 of a native run. Descriptor 3 is then the socket to the warm process,
 * and 4 a file that says what to start: NUL behind each part, numbers in decimal: the version of this file's form; 1 if
 * the program starts at a word of the warm process and not at once; the milliseconds that what it leaves behind has to
 * heed SIGTERM; how many ignored signals, paths to try, arguments, variables; then those. So nothing of this machine shows in its command line or environment.
 *
 * The questions, one a line, and what they answer are described in runtime/factors/questions.py, which answers the
 * same ones in Python; a conformance test holds the two equal. An answer is its length in decimal, a newline, and the
 * bytes; -1 and a newline if it failed.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define OURS 125 /* exit codes as shells and Docker say them */
#define NOT_EXECUTABLE 126
#define NOT_FOUND 127
#define LONGEST_QUESTION 8192
#define LONGEST_ANSWER (1 << 20)
#define LONGEST_HEAD 4096
#define CLONE3 435 /* __NR_clone3, the same number on every architecture */

static const char *status_path;
static sigset_t inherited_mask;

static void fail(const char *what) {
    fprintf(stderr, "seatrial: %s: %s\n", what, strerror(errno));
    _exit(OURS);
}

/* ---- answers ---- */

static char answer[LONGEST_ANSWER];
static size_t length;
static int failed;

static void say(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    int written = vsnprintf(answer + length, sizeof answer - length, format, arguments);
    va_end(arguments);
    if (written > 0 && length + written < sizeof answer) length += written;
}

static void answer_read(const char *path, size_t most) {
    int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (descriptor < 0) { failed = 1; return; }
    ssize_t got;
    while (length < most && (got = read(descriptor, answer + length, most - length)) > 0) length += got;
    if (length == 0 && got < 0) failed = 1;
    close(descriptor);
}

static void answer_write(const char *path) { /* whether a new file may be made in a folder */
    char name[LONGEST_QUESTION + 32];
    snprintf(name, sizeof name, "%s/.seatrial-%d", path, getpid());
    int descriptor = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (descriptor < 0) { say("%d", errno); return; }
    close(descriptor);
    unlink(name);
    say("yes");
}

static void answer_open(const char *path) { /* whether a file may be read */
    int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (descriptor < 0) { say("%d", errno); return; }
    close(descriptor);
    say("yes");
}

static void answer_contains(char *words) { /* PATH TEXT: whether a file holds the text and a NUL behind it */
    char *text = strchr(words, ' ');
    if (!text) { failed = 1; return; }
    *text++ = 0;
    size_t wanted = strlen(text) + 1, kept = 0;
    int descriptor = open(words, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (descriptor < 0) { failed = 1; return; }
    static char window[1 << 16];
    int found = 0;
    ssize_t got;
    while (!found && (got = read(descriptor, window + kept, sizeof window - kept)) > 0) {
        kept += got;
        if (kept >= wanted) {
            found = memmem(window, kept, text, wanted) != NULL;
            size_t tail = wanted - 1;
            memmove(window, window + kept - tail, tail);
            kept = tail;
        }
    }
    close(descriptor);
    say(found ? "yes" : "no");
}

static int by_name(const void *one, const void *other) { return strcmp(one, other); }

static void answer_interfaces(void) { /* NAME:up or NAME:down, sorted */
    static char names[256][IFNAMSIZ];
    int count = 0, handle = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    FILE *table = fopen("/proc/net/dev", "re");
    char line[1024];
    if (handle < 0 || !table) { failed = 1; if (handle >= 0) close(handle); if (table) fclose(table); return; }
    while (count < 256 && fgets(line, sizeof line, table)) {
        char *end = strchr(line, ':'), *begin = line + strspn(line, " ");
        if (!end || end - begin >= IFNAMSIZ) continue; /* the two lines of the head have no colon */
        *end = 0;
        strcpy(names[count++], begin);
    }
    fclose(table);
    qsort(names, count, sizeof names[0], by_name);
    for (int index = 0; index < count; index++) {
        struct ifreq request = {0};
        strcpy(request.ifr_name, names[index]);
        int up = ioctl(handle, SIOCGIFFLAGS, &request) == 0 && (request.ifr_flags & IFF_UP);
        say("%s%s:%s", index ? " " : "", names[index], up ? "up" : "down");
    }
    close(handle);
}

static void answer_ids(void) {
    uid_t user[3];
    gid_t group[3];
    if (getresuid(&user[0], &user[1], &user[2]) || getresgid(&group[0], &group[1], &group[2])) { failed = 1; return; }
    say("%u %u %u %u %u %u", user[0], user[1], user[2], group[0], group[1], group[2]);
}

static int by_number(const void *one, const void *other) {
    gid_t left = *(const gid_t *)one, right = *(const gid_t *)other;
    return (left > right) - (left < right);
}

static void answer_groups(void) {
    static gid_t groups[65536];
    int count = getgroups(65536, groups);
    if (count < 0) { failed = 1; return; }
    qsort(groups, count, sizeof groups[0], by_number);
    for (int index = 0; index < count; index++) say("%s%u", index ? "," : "", groups[index]);
}

static void answer_cpus(void) {
    static cpu_set_t set[64]; /* room for 65,536 CPUs */
    long size = syscall(SYS_sched_getaffinity, 0, sizeof set, set);
    if (size < 0) { failed = 1; return; }
    say("%d", CPU_COUNT_S(size, set));
}

static void answer_descriptor(const char *text) { /* null, terminal, pipe, or other */
    struct stat found;
    int number = atoi(text);
    if (fstat(number, &found)) { failed = 1; return; }
    if (S_ISCHR(found.st_mode) && found.st_rdev == makedev(1, 3)) say("null");
    else if (isatty(number)) say("terminal");
    else say(S_ISFIFO(found.st_mode) ? "pipe" : "other");
}

static void answer_entries(const char *path) { /* the names in a folder as they come, NUL behind each */
    DIR *folder = opendir(path);
    if (!folder) { failed = 1; return; }
    for (struct dirent *entry; (entry = readdir(folder));) {
        size_t size = strlen(entry->d_name) + 1;
        if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..")) continue;
        if (length + size > sizeof answer) { length = 0; break; }
        memcpy(answer + length, entry->d_name, size);
        length += size;
    }
    closedir(folder);
}

static void answer_ignored(void) {
    for (int number = 1, count = 0; number < NSIG; number++) {
        struct sigaction found;
        if (sigaction(number, NULL, &found) == 0 && found.sa_handler == SIG_IGN) say("%s%d", count++ ? "," : "", number);
    }
}

static void answer_inotify(void) {
    int instance = inotify_init1(IN_CLOEXEC);
    if (instance < 0) { say("%d", errno); return; }
    if (inotify_add_watch(instance, "/", IN_MODIFY) >= 0) say("yes yes"); else say("yes %d", errno);
    close(instance);
}

static void answer_rename(const char *path) { /* asks for what must fail: onto a folder that is not empty */
    DIR *folder = opendir(path);
    if (!folder) { failed = 1; return; }
    char first[NAME_MAX + 1] = "", from[LONGEST_QUESTION + NAME_MAX + 2], to[LONGEST_QUESTION + 32], in[sizeof to + 4];
    for (struct dirent *entry; (entry = readdir(folder));) {
        struct stat found;
        if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..")) continue;
        if (fstatat(dirfd(folder), entry->d_name, &found, AT_SYMLINK_NOFOLLOW) || !S_ISDIR(found.st_mode)) continue;
        if (!*first || strcmp(entry->d_name, first) < 0) strcpy(first, entry->d_name);
    }
    closedir(folder);
    if (!*first) { say("none"); return; }
    snprintf(from, sizeof from, "%s/%s", path, first);
    snprintf(to, sizeof to, "%s/.seatrial-%d", path, getpid());
    snprintf(in, sizeof in, "%s/in", to);
    if (mkdir(to, 0700)) { say("%d", errno); return; }
    if (mkdir(in, 0700) || !rename(from, to)) failed = 1;
    else if (errno == ENOTEMPTY) say("yes");
    else say("%d", errno);
    rmdir(in);
    rmdir(to);
}

static void answer_run(char *path) { /* what a program writes that ends well */
    int ends[2], status;
    if (pipe2(ends, O_CLOEXEC)) { failed = 1; return; }
    pid_t child = fork();
    if (!child) {
        char *argv[] = {path, NULL}, *none[] = {NULL};
        dup2(ends[1], 1);
        execve(path, argv, none);
        _exit(NOT_FOUND);
    }
    close(ends[1]);
    ssize_t got;
    while (child > 0 && length < sizeof answer && (got = read(ends[0], answer + length, sizeof answer - length)) > 0) length += got;
    close(ends[0]);
    if (child < 0 || waitpid(child, &status, 0) != child || status) failed = 1;
}

static void answer_user_namespace(void) { /* in a child: there is no way back */
    int status;
    pid_t child = fork();
    if (child < 0) { failed = 1; return; }
    if (!child) _exit(unshare(CLONE_NEWUSER) ? errno : 0);
    if (waitpid(child, &status, 0) != child || !WIFEXITED(status)) failed = 1;
    else if (WEXITSTATUS(status)) say("%d", WEXITSTATUS(status));
    else say("yes");
}

static void answer_window(const char *text) {
    struct winsize found;
    if (ioctl(atoi(text), TIOCGWINSZ, &found)) failed = 1; else say("%dx%d", found.ws_col, found.ws_row);
}

static void answer_one(char *question) {
    char *rest = strchr(question, ' ');
    if (rest) *rest++ = 0; else rest = question + strlen(question);
    length = 0;
    failed = 0;
    if (!strcmp(question, "read")) answer_read(rest, sizeof answer);
    else if (!strcmp(question, "head")) answer_read(rest, LONGEST_HEAD);
    else if (!strcmp(question, "may-read")) answer_open(rest);
    else if (!strcmp(question, "may-write")) answer_write(rest);
    else if (!strcmp(question, "contains")) answer_contains(rest);
    else if (!strcmp(question, "interfaces")) answer_interfaces();
    else if (!strcmp(question, "ids")) answer_ids();
    else if (!strcmp(question, "groups")) answer_groups();
    else if (!strcmp(question, "cpus")) answer_cpus();
    else if (!strcmp(question, "descriptor")) answer_descriptor(rest);
    else if (!strcmp(question, "entries")) answer_entries(rest);
    else if (!strcmp(question, "ignored")) answer_ignored();
    else if (!strcmp(question, "inotify")) answer_inotify();
    else if (!strcmp(question, "rename")) answer_rename(rest);
    else if (!strcmp(question, "run")) answer_run(rest);
    else if (!strcmp(question, "user-namespace")) answer_user_namespace();
    else if (!strcmp(question, "window")) answer_window(rest);
    else if (!strcmp(question, "umask")) {
        mode_t mask = umask(0);
        umask(mask);
        say("%04o", mask);
    } else if (!strcmp(question, "folder")) {
        if (!getcwd(answer, sizeof answer)) failed = 1; else length = strlen(answer);
    } else if (!strcmp(question, "name")) {
        struct utsname system;
        if (uname(&system)) failed = 1; else say("%s", system.nodename);
    } else if (!strcmp(question, "kernel")) {
        struct utsname system;
        if (uname(&system)) failed = 1; else say("%s %s", system.release, system.machine);
    } else if (!strcmp(question, "clone3")) { /* a call that cannot succeed, for its errno */
        errno = 0;
        syscall(CLONE3, NULL, (size_t)0);
        say("%d", errno);
    } else if (!strcmp(question, "clocks")) {
        struct timespec monotonic, boottime;
        if (clock_gettime(CLOCK_MONOTONIC, &monotonic) || clock_gettime(CLOCK_BOOTTIME, &boottime)) failed = 1;
        else say("%lld %lld", (long long)monotonic.tv_sec, (long long)boottime.tv_sec);
    } else if (!strcmp(question, "now")) {
        struct timespec now;
        if (clock_gettime(CLOCK_REALTIME, &now)) failed = 1; else say("%lld", (long long)now.tv_sec);
    } else if (!strcmp(question, "free")) {
        struct statvfs found;
        if (statvfs(rest, &found)) failed = 1;
        else say("%llu", (unsigned long long)found.f_bavail * found.f_frsize);
    } else if (!strcmp(question, "getrandom")) {
        char byte;
        if (getrandom(&byte, 1, GRND_NONBLOCK) < 0) say("%d", errno); else say("yes");
    } else if (!strcmp(question, "socket")) {
        int handle = socket(atoi(rest), SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (handle < 0) say("%d", errno); else { say("yes"); close(handle); }
    } else if (!strcmp(question, "personality")) {
        int found = personality(0xffffffff); /* changes nothing */
        if (found == -1) failed = 1; else say("%x", found);
    } else if (!strcmp(question, "no-new-privileges")) {
        say("%d", prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
    } else if (!strcmp(question, "limit")) {
        struct rlimit limit;
        if (getrlimit(atoi(rest), &limit)) failed = 1;
        else say("%lld %lld", (long long)limit.rlim_cur, (long long)limit.rlim_max); /* infinity is -1 */
    } else if (!strcmp(question, "variable")) {
        const char *value = getenv(rest);
        if (!value) failed = 1; else say("%s", value);
    } else if (!strcmp(question, "link")) {
        ssize_t got = readlink(rest, answer, sizeof answer);
        if (got < 0) failed = 1; else length = got;
    } else if (!strcmp(question, "attributes")) {
        struct stat found;
        if (stat(rest, &found)) failed = 1;
        else say("%u %u %04o", found.st_uid, found.st_gid, found.st_mode & 07777);
    } else if (!strcmp(question, "space")) { /* the flags of the mount, and the bytes of the file system */
        struct statvfs found;
        if (statvfs(rest, &found)) failed = 1;
        else say("%lu %llu", found.f_flag, (unsigned long long)found.f_blocks * found.f_frsize);
    } else failed = 1;
}

static void write_all(int descriptor, const char *bytes, size_t size) {
    while (size) {
        ssize_t written = write(descriptor, bytes, size);
        if (written < 0 && errno != EINTR) fail("write the answers");
        if (written > 0) { bytes += written; size -= written; }
    }
}

static int out_of_the_way(int descriptor, const char *what) {
    if (descriptor < 0) fail(what);
    if (descriptor > 2) return descriptor;
    int moved = fcntl(descriptor, F_DUPFD_CLOEXEC, 3);
    if (moved < 0) fail(what);
    close(descriptor);
    return moved;
}

static void answer_all(const char *questions, const char *answers) {
    /* Not on 0, 1 or 2, which are asked about: one that the program shall find closed is free now. */
    FILE *asked = fdopen(out_of_the_way(open(questions, O_RDONLY | O_CLOEXEC), questions), "r");
    int created = open(answers, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644);
    int descriptor = out_of_the_way(created, answers);
    if (!asked) fail(questions);
    fchmod(descriptor, 0644); /* whoever reads it may be neither root nor this user */
    static char question[LONGEST_QUESTION];
    while (fgets(question, sizeof question, asked)) {
        question[strcspn(question, "\n")] = 0;
        answer_one(question);
        char head[32];
        int size = snprintf(head, sizeof head, "%lld\n", failed ? -1LL : (long long)length);
        write_all(descriptor, head, size);
        if (!failed) write_all(descriptor, answer, length);
    }
    fclose(asked);
    close(descriptor);
}

/* ---- the program ---- */

static void await(const char *path) { /* the limits are put on this process from outside, and then there is a file */
    const struct timespec pause = {0, 500000};
    while (access(path, F_OK)) nanosleep(&pause, NULL);
}

static void drop_capabilities(void) { /* Podman lets a user other than root hold what was added for the bounding set */
    struct { uint32_t version; int pid; } head = {0x20080522, 0}; /* _LINUX_CAPABILITY_VERSION_3 */
    uint32_t none[6] = {0};
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    if (syscall(SYS_capset, &head, none)) fail("drop capabilities");
}

/* Not execvp, which hands a file that is no program to a shell: a native run does not. Returns why not: the last error
 * along PATH that is not "not there". */
static int execute(char **argv) {
    const char *path = getenv("PATH");
    if (strchr(argv[0], '/')) { execv(argv[0], argv); return errno; }
    int why = ENOENT;
    for (const char *next = path ? path : "/bin:/usr/bin"; next; next = strchr(next, ':') ? strchr(next, ':') + 1 : NULL) {
        char place[4096];
        int size = strcspn(next, ":");
        snprintf(place, sizeof place, "%.*s/%s", size ? size : 1, size ? next : ".", argv[0]);
        execv(place, argv);
        if (errno != ENOENT && errno != ENOTDIR) why = errno;
    }
    return why;
}

static void set_signals(const char *ignored) { /* whatever our caller ignores, such as nohup's SIGHUP */
    for (int number = 1; number < NSIG; number++) signal(number, SIG_DFL);
    for (const char *next = ignored; next && *next; next = strchr(next, ',') ? strchr(next, ',') + 1 : NULL)
        signal(atoi(next), SIG_IGN);
}

static void become(char **argv) {
    sigprocmask(SIG_SETMASK, &inherited_mask, NULL);
    int why = execute(argv);
    fprintf(stderr, "seatrial: cannot start %s: %s\n", argv[0], strerror(why));
    _exit(why == ENOENT || why == ENOTDIR ? NOT_FOUND : NOT_EXECUTABLE);
}

/* What the control groups say that an engine shows inside its containers: nobody else can read them at the end. */
static const struct { const char *name, *path, *key; } usages[] = {
    {"oom_kills", "/sys/fs/cgroup/memory/memory.oom_control", "oom_kill "},
    {"oom_kills", "/sys/fs/cgroup/memory.events", "oom_kill "},
    {"memory", "/sys/fs/cgroup/memory/memory.memsw.max_usage_in_bytes", ""},
    {"memory", "/sys/fs/cgroup/memory/memory.max_usage_in_bytes", ""},
    {"memory", "/sys/fs/cgroup/memory.peak", ""},
    {"processes", "/sys/fs/cgroup/pids/pids.peak", ""},
    {"processes", "/sys/fs/cgroup/pids.peak", ""},
    {"nanoseconds", "/sys/fs/cgroup/cpuacct/cpuacct.usage", ""},
    {"microseconds", "/sys/fs/cgroup/cpu.stat", "usage_usec "},
};

static int tell_usage(char *text, size_t room) {
    size_t size = 0;
    for (size_t index = 0; index < sizeof usages / sizeof *usages; index++) {
        FILE *file = fopen(usages[index].path, "re");
        char line[256];
        while (file && fgets(line, sizeof line, file)) {
            size_t key = strlen(usages[index].key);
            if (strncmp(line, usages[index].key, key)) continue;
            size += snprintf(text + size, room - size, "%s %lld\n", usages[index].name, atoll(line + key));
            break;
        }
        if (file) fclose(file);
    }
    return size;
}

static void write_status(int status) {
    char text[2048], fresh[4096];
    int size = snprintf(text, sizeof text, "%d\n", status);
    size += tell_usage(text + size, sizeof text - size);
    snprintf(fresh, sizeof fresh, "%s.new", status_path);
    unlink(fresh);
    int descriptor = open(fresh, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644);
    if (descriptor < 0 || write(descriptor, text, size) != size || fchmod(descriptor, 0644)) fail(fresh);
    if (rename(fresh, status_path)) fail(status_path);
}

static sigset_t watched;

static void watch_signals(void) {
    static const int handed_on[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGALRM, SIGCONT, SIGWINCH};
    sigemptyset(&watched);
    sigaddset(&watched, SIGCHLD);
    for (size_t index = 0; index < sizeof handed_on / sizeof *handed_on; index++) sigaddset(&watched, handed_on[index]);
    sigprocmask(SIG_BLOCK, &watched, NULL);
}

static int attend(pid_t program) { /* reap orphans and hand signals on until the program ends; its wait status */
    for (;;) {
        int number = sigwaitinfo(&watched, NULL);
        if (number > 0 && number != SIGCHLD) kill(program, number);
        int status;
        pid_t ended;
        while ((ended = waitpid(-1, &status, WNOHANG)) > 0)
            if (ended == program) return status;
    }
}

static int exit_code(int status) { return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status); }

static void be_init(pid_t program) {
    watch_signals();
    int status = attend(program);
    if (getpid() == 1) kill(-1, SIGKILL); /* what could still write over our status ends first */
    while (waitpid(-1, NULL, 0) > 0 || errno == EINTR) {}
    write_status(status);
    _exit(exit_code(status));
}

static void set_environment(const char *path) {
    static char text[1 << 20];
    int descriptor = open(path, O_RDONLY | O_CLOEXEC);
    if (descriptor < 0) fail(path);
    size_t size = 0;
    ssize_t got;
    while (size < sizeof text - 1 && (got = read(descriptor, text + size, sizeof text - 1 - size)) > 0) size += got;
    close(descriptor);
    clearenv();
    for (char *entry = text; entry < text + size; entry += strlen(entry) + 1)
        if (putenv(entry)) fail("set the environment");
}

static void use_cpus(const char *list) { /* COUNT:N,N: so many of these, from the one on that the kernel chose */
    static cpu_set_t set[64];
    static int cpus[8 * sizeof set];
    char *next;
    long count = strtol(list, &next, 10);
    int known = 0, here = 0, current = sched_getcpu();
    while (*next && known < (int)(sizeof cpus / sizeof cpus[0])) cpus[known++] = strtol(next + 1, &next, 10);
    for (int each = 0; each < known; each++)
        if (cpus[each] == current) here = each;
    CPU_ZERO_S(sizeof set, set);
    for (int each = 0; each < count && each < known; each++) CPU_SET_S(cpus[(here + each) % known], sizeof set, set);
    if (sched_setaffinity(0, sizeof set, set)) fail("use fewer CPUs");
}

static void set_limit(char *text) {
    char *value = strchr(text, '=');
    if (!value) { errno = EINVAL; fail("--limit"); }
    *value++ = 0;
    struct rlimit limit = {strtoull(value, NULL, 10), strtoull(value, NULL, 10)};
    if (setrlimit(atoi(text), &limit) && errno != EPERM) fail("set a limit"); /* too much for us: the answers tell */
}

/* ---- process 1 of a native run ---- */

#define CONTROL 3
#define TASK 4
#define TASK_FORM 3 /* as in runtime/backends/native/compiled_init.py */

#define SETTLING 30 /* milliseconds; these three as in runtime/backends/native/leftovers.py */
#define DYING 1000
#define MOST_TOLD 64

static void tell(const char *format, ...) {
    char text[256];
    va_list arguments;
    va_start(arguments, format);
    int size = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    send(CONTROL, text, size, MSG_NOSIGNAL); /* if the warm process is gone, so are we in a moment */
}

static char *next_part(char **at) {
    char *part = *at;
    *at += strlen(part) + 1;
    return part;
}

static char **next_parts(char **at, int count) {
    char **parts = calloc(count + 1, sizeof *parts);
    if (!parts) fail("read what to start");
    for (int index = 0; index < count; index++) parts[index] = next_part(at);
    return parts;
}

static void await_word(void) { /* whatever it is: if the socket ends instead, nobody wants the program any more */
    char word;
    ssize_t got;
    while ((got = recv(CONTROL, &word, 1, 0)) < 0 && errno == EINTR) {}
    if (got != 1) _exit(OURS);
}

static int has_children(void) {
    siginfo_t found;
    return waitid(P_ALL, 0, &found, WEXITED | WNOHANG | WNOWAIT) == 0;
}

static void read_name(pid_t pid, char *name, size_t room) { /* a dead process has its name until it is waited for */
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/comm", pid);
    int descriptor = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = descriptor < 0 ? 0 : read(descriptor, name, room - 1);
    if (descriptor >= 0) close(descriptor);
    if (got > 0 && name[got - 1] == '\n') got--;
    for (ssize_t at = 0; at < got; at++)
        if (name[at] <= 0x20 || name[at] >= 0x7F || name[at] == '"' || name[at] == '\\') name[at] = '?';
    if (got <= 0) name[0] = '?', got = 1;
    name[got] = 0;
}

static long long milliseconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

/* Reap until no child is left or a time is over, and tell of each end; before anybody was asked (signal 0) of none. */
static void reap_for(int room, int number, int grace, int *told) {
    long long begin = milliseconds();
    for (;;) {
        siginfo_t found = {0};
        if (waitid(P_ALL, 0, &found, WEXITED | WNOHANG | WNOWAIT)) return;
        if (!found.si_pid) {
            if (milliseconds() - begin >= room) return;
            nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
            continue;
        }
        char name[64];
        int status;
        read_name(found.si_pid, name, sizeof name);
        waitpid(found.si_pid, &status, 0);
        if (!number || ++*told > MOST_TOLD) continue;
        long long after = grace ? milliseconds() - begin + (number == SIGKILL ? grace : 0) : -1;
        tell("{\"left\": \"%s\", \"how\": %d, \"after\": %lld, \"killed\": %s}", name, status, after,
             number == SIGKILL ? "true" : "false");
    }
}

static void end_leftovers(int grace) { /* as runtime/backends/native/leftovers.py */
    int told = 0;
    if (!has_children()) return;
    reap_for(SETTLING, 0, grace, &told);
    if (grace && has_children()) {
        kill(-1, SIGTERM);
        reap_for(grace, SIGTERM, grace, &told);
    }
    if (!has_children()) return;
    kill(-1, SIGKILL);
    reap_for(DYING, SIGKILL, grace, &told);
}

static void start_task(char *text) {
    int waits = atoi(next_part(&text)), counts[4];
    next_part(&text); /* the grace, which is process 1's own affair */
    for (int index = 0; index < 4; index++) counts[index] = atoi(next_part(&text));
    char **ignored = next_parts(&text, counts[0]), **paths = next_parts(&text, counts[1]);
    char **argv = next_parts(&text, counts[2]), **environment = next_parts(&text, counts[3]);
    for (; *ignored; ignored++) signal(atoi(*ignored), SIG_IGN);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    if (waits) await_word();
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    tell("{\"ready\": %lld, \"pid\": %d}", now.tv_sec * 1000000000LL + now.tv_nsec, getpid());
    int why = ENOENT;
    for (; *paths; paths++) {
        execve(*paths, argv, environment);
        if (errno != ENOENT && errno != ENOTDIR) why = errno;
    }
    fprintf(stderr, "seatrial: cannot start %s: %s\n", argv[0], strerror(why));
    _exit(why == ENOENT || why == ENOTDIR ? NOT_FOUND : NOT_EXECUTABLE);
}

static void be_first_process(void) {
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0); /* exec has undone it: nobody may trace us, or open our /proc/1/exe */
    prctl(PR_SET_NAME, "init", 0, 0, 0);
    for (int number = 1; number < NSIG; number++) signal(number, SIG_DFL); /* Python ignores some, and exec keeps that */
    fcntl(CONTROL, F_SETFD, FD_CLOEXEC);
    struct stat found;
    if (fstat(TASK, &found)) fail("find what to start");
    char *text = mmap(NULL, found.st_size, PROT_READ | PROT_WRITE, MAP_PRIVATE, TASK, 0);
    if (text == MAP_FAILED) fail("read what to start");
    close(TASK);
    char *task = text;
    if (atoi(next_part(&task)) != TASK_FORM) { /* a checkout whose launcher was not built again */
        tell("{\"error\": \"the launcher was built for another version of Seatrial\", \"hint\": \"install Seatrial again\"}");
        _exit(OURS);
    }
    char *second = task;
    next_part(&second);
    int grace = atoi(second);
    watch_signals();
    pid_t program = fork();
    if (program < 0) fail("fork");
    if (!program) start_task(task);
    munmap(text, found.st_size);
    int status = attend(program);
    tell("{\"status\": %d}", status);
    end_leftovers(grace);
    _exit(exit_code(status)); /* and what is still in the namespace dies with us */
}

int main(int count, char **argv) {
    if (count == 1 && !strcmp(argv[0], "init")) be_first_process();
    const char *questions = NULL, *answers = NULL, *ignored = NULL, *mask = NULL, *awaited = NULL;
    const char *input = "";
    int next = 1;
    for (; next < count && strcmp(argv[next], "--"); next++) {
        char *option = argv[next];
        if (next + 1 >= count) { errno = EINVAL; fail(option); }
        char *value = argv[++next];
        if (!strcmp(option, "--init")) status_path = value;
        else if (!strcmp(option, "--umask")) mask = value;
        else if (!strcmp(option, "--environment")) set_environment(value);
        else if (!strcmp(option, "--stdin")) input = value;
        else if (!strcmp(option, "--cpus")) use_cpus(value);
        else if (!strcmp(option, "--ignore")) ignored = value;
        else if (!strcmp(option, "--limit")) set_limit(value);
        else if (!strcmp(option, "--await")) awaited = value;
        else if (!strcmp(option, "--ask") && next + 1 < count) { questions = value; answers = argv[++next]; }
        else { errno = EINVAL; fail(option); }
    }
    if (next + 1 >= count) { errno = EINVAL; fail("there is no program behind --"); }
    argv += next + 1;
    if (mask) umask(strtoul(mask, NULL, 8));
    if (*input) close(0);
    if (!strcmp(input, "null") && open("/dev/null", O_RDONLY)) fail("/dev/null");
    sigset_t all;
    sigfillset(&all);
    sigprocmask(status_path ? SIG_BLOCK : SIG_SETMASK, status_path ? &all : NULL, &inherited_mask);
    sigemptyset(&inherited_mask);
    pid_t program = status_path ? fork() : 0;
    if (program < 0) fail("fork");
    if (program) be_init(program);
    set_signals(ignored); /* before the answers, which tell of it */
    if (getuid()) drop_capabilities();
    if (questions) answer_all(questions, answers);
    if (awaited) await(awaited);
    become(argv);
}
