/*
 * A network on which everything is far away: a library that the image's dynamic loader loads before all others, as
 * /etc/ld.so.preload says. What a program sends by IPv4 or IPv6, to its own machine too, leaves later by the milliseconds
 * in CONFIGURATION, and to connect takes twice as long, as its packet goes there and another one back.
 *
 * Who sends waits, and who receives is left to wait by the kernel, so that the timeout of an answer runs out as it would.
 * That of a connection does not: a connect that does not block waits here, too, and its caller's clock starts behind it.
 * What is sent again before anything was received is on its way behind the first: it does not wait once more.
 */
#define _GNU_SOURCE
#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>

#include "calls.h"
#include <fcntl.h>

#define CONFIGURATION "/.seatrial/preload/far" /* as in runtime/factors/preload.py */
#define MOST 65536 /* descriptors that are kept apart */
#define INTERRUPTED -4 /* EINTR */

static long milliseconds;
static int is_set;
static char has_sent[MOST]; /* since it has received */

__attribute__((constructor)) static void set(void) {
    if (is_set) return;
    is_set = 1;
    char text[32] = "";
    long descriptor = call(SYS_openat, AT_FDCWD, (long)CONFIGURATION, O_RDONLY | O_CLOEXEC, 0, 0);
    if (descriptor < 0) return;
    long got = call(SYS_read, descriptor, (long)text, sizeof text - 1, 0, 0);
    call(SYS_close, descriptor, 0, 0, 0, 0);
    if (got > 0) milliseconds = number_of(text);
}

static void wait_for(long time) {
    struct timespec left = {time / 1000, time % 1000 * 1000000};
    while (time && call(SYS_nanosleep, (long)&left, (long)&left, 0, 0, 0) == INTERRUPTED) {}
}

static int goes_far(int descriptor) {
    int domain = 0;
    socklen_t size = sizeof domain;
    if (call(SYS_getsockopt, descriptor, SOL_SOCKET, SO_DOMAIN, (long)&domain, (long)&size)) return 0;
    return domain == AF_INET || domain == AF_INET6;
}

static void send_far(int descriptor) {
    set();
    int is_known = descriptor >= 0 && descriptor < MOST;
    if (!milliseconds || (is_known && has_sent[descriptor]) || !goes_far(descriptor)) return;
    if (is_known) has_sent[descriptor] = 1;
    wait_for(milliseconds);
}

static void receive(int descriptor) {
    if (descriptor >= 0 && descriptor < MOST) has_sent[descriptor] = 0;
}

int connect(int socket, const struct sockaddr *to, socklen_t size) {
    set();
    receive(socket);
    if (milliseconds && to && size >= sizeof to->sa_family && (to->sa_family == AF_INET || to->sa_family == AF_INET6))
        wait_for(2 * milliseconds);
    return result(call(SYS_connect, socket, (long)to, size, 0, 0));
}

ssize_t sendto(int socket, const void *bytes, size_t size, int flags, const struct sockaddr *to, socklen_t length) {
    send_far(socket);
    return value(call6(SYS_sendto, socket, (long)bytes, size, flags, (long)to, length));
}

ssize_t send(int socket, const void *bytes, size_t size, int flags) { return sendto(socket, bytes, size, flags, NULL, 0); }

ssize_t sendmsg(int socket, const struct msghdr *message, int flags) {
    send_far(socket);
    return value(call(SYS_sendmsg, socket, (long)message, flags, 0, 0));
}

int sendmmsg(int socket, struct mmsghdr *messages, unsigned count, int flags) {
    send_far(socket);
    return value(call(SYS_sendmmsg, socket, (long)messages, count, flags, 0));
}

ssize_t write(int descriptor, const void *bytes, size_t size) {
    send_far(descriptor);
    return value(call(SYS_write, descriptor, (long)bytes, size, 0, 0));
}

ssize_t writev(int descriptor, const struct iovec *parts, int count) {
    send_far(descriptor);
    return value(call(SYS_writev, descriptor, (long)parts, count, 0, 0));
}

ssize_t recvfrom(int socket, void *bytes, size_t size, int flags, struct sockaddr *from, socklen_t *length) {
    receive(socket);
    return value(call6(SYS_recvfrom, socket, (long)bytes, size, flags, (long)from, (long)length));
}

ssize_t recv(int socket, void *bytes, size_t size, int flags) { return recvfrom(socket, bytes, size, flags, NULL, NULL); }

ssize_t recvmsg(int socket, struct msghdr *message, int flags) {
    receive(socket);
    return value(call(SYS_recvmsg, socket, (long)message, flags, 0, 0));
}

ssize_t read(int descriptor, void *bytes, size_t size) {
    receive(descriptor);
    return value(call(SYS_read, descriptor, (long)bytes, size, 0, 0));
}

ssize_t readv(int descriptor, const struct iovec *parts, int count) {
    receive(descriptor);
    return value(call(SYS_readv, descriptor, (long)parts, count, 0, 0));
}
