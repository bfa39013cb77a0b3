/* Open arrivals over HTTP/1.1: requests come when a Poisson clock says so, whether earlier ones were answered or not.
 *
 * open_load PORT REQUEST_FILE RATE SECONDS CONNECTIONS SEED
 *
 * REQUEST_FILE holds the whole request, head and body. An arrival that finds every connection busy waits for one, and
 * its latency counts from the moment it was due: nothing is left out because the server was slow (no co-ordinated
 * omission). Prints one line of JSON: requests, seconds, p50 and p99 in microseconds, errors, unanswered.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { HEAD = 65536, MOST = 4096 };
static const double GRACE = 5.0; /* seconds for what is still under way at the end */

typedef struct {
    int fd, busy, ok, writing;
    size_t sent, got;     /* bytes of the request written; of the answer's head kept */
    long left;            /* bytes of the body to come; -1: the head is not whole yet */
    double due;
    char head[HEAD];
} Connection;

static char *request;
static size_t size;
static Connection *connections;
static int *idle, idle_count, epoll;
static double *latencies;
static size_t done, errors;

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void fail(const char *what) {
    perror(what);
    exit(1);
}

static void open_connection(Connection *c, int port, int number) {
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int one = 1;
    c->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&to, sizeof to)) fail("connect");
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    fcntl(c->fd, F_SETFL, O_NONBLOCK);
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = number};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, c->fd, &event)) fail("epoll_ctl");
}

static void watch(Connection *c, int number, int writing) {
    struct epoll_event event = {.events = EPOLLIN | (writing ? EPOLLOUT : 0), .data.u32 = number};
    epoll_ctl(epoll, EPOLL_CTL_MOD, c->fd, &event);
}

static void push(Connection *c, int number) {
    while (c->sent < size) {
        ssize_t n = write(c->fd, request + c->sent, size - c->sent);
        if (n < 0 && errno != EAGAIN) fail("write");
        if (n < 0) {
            watch(c, number, c->writing = 1);
            return;
        }
        c->sent += n;
    }
    if (c->writing) watch(c, number, c->writing = 0);
}

static void start(int number, double due) {
    Connection *c = &connections[number];
    c->busy = 1, c->due = due, c->sent = c->got = 0, c->left = -1;
    push(c, number);
}

static void finish(int number) {
    Connection *c = &connections[number];
    if (c->ok) latencies[done++] = now() - c->due;
    else errors++;
    c->busy = 0;
    idle[idle_count++] = number;
}

/* The head is whole: what does it say? Chunked answers end with an empty chunk, looked for in what is read. */
static void read_head(Connection *c, char *end) {
    c->ok = c->got > 12 && c->head[9] == '2';
    *end = 0;
    char *length = strcasestr(c->head, "\r\ncontent-length:");
    long body = c->got - (end + 4 - c->head);
    c->left = length ? atol(length + 17) - body : 0;
    if (!length && strcasestr(c->head, "\r\ntransfer-encoding:")) {
        fputs("a chunked answer can't be measured here\n", stderr);
        exit(1);
    }
}

static void take(int number) {
    static char waste[1 << 20];
    Connection *c = &connections[number];
    while (c->busy) {
        if (c->left < 0) {
            ssize_t n = read(c->fd, c->head + c->got, HEAD - 1 - c->got);
            if (n < 0 && errno == EAGAIN) return;
            if (n <= 0) fail("the server closed a connection");
            c->got += n;
            c->head[c->got] = 0;
            char *end = strstr(c->head, "\r\n\r\n");
            if (end) read_head(c, end);
        } else {
            ssize_t n = read(c->fd, waste, sizeof waste);
            if (n < 0 && errno == EAGAIN) return;
            if (n <= 0) fail("the server closed a connection");
            c->left -= n;
        }
        if (c->left == 0) finish(number);
    }
}

int main(int count, char **words) {
    if (count != 7) return 2;
    int port = atoi(words[1]), most = atoi(words[5]);
    double rate = atof(words[3]), seconds = atof(words[4]);
    srand48(atol(words[6]));
    FILE *file = fopen(words[2], "rb");
    if (!file || most > MOST) fail(words[2]);
    request = malloc(64 << 20);
    size = fread(request, 1, 64 << 20, file);
    size_t room = rate * seconds * 1.5 + 10000;
    double *dues = malloc(room * sizeof *dues);
    latencies = malloc(room * sizeof *latencies);
    connections = calloc(most, sizeof *connections);
    idle = malloc(most * sizeof *idle);
    epoll = epoll_create1(0);
    prctl(PR_SET_TIMERSLACK, 1000);
    for (int number = most - 1; number >= 0; number--) {
        open_connection(&connections[number], port, number);
        idle[idle_count++] = number;
    }
    double begun = now(), end = begun + seconds, next = begun;
    size_t arrived = 0, begun_count = 0;
    struct epoll_event events[256];
    while (arrived + 1 < room) {
        double at = now();
        while (next <= at && next < end && arrived + 1 < room) {
            dues[arrived++] = next;
            next += -log(1.0 - drand48()) / rate;
        }
        while (begun_count < arrived && idle_count) start(idle[--idle_count], dues[begun_count++]);
        if (next >= end && (done + errors == arrived || at > end + GRACE)) break;
        double wait = next < end ? next - now() : 0.05;
        struct timespec limit = {0, wait <= 0 ? 0 : (long)(wait * 1e9)};
        if (limit.tv_nsec > 50000000) limit.tv_nsec = 50000000;
        int ready = epoll_pwait2(epoll, events, 256, &limit, NULL);
        for (int i = 0; i < ready; i++) {
            int number = events[i].data.u32;
            Connection *c = &connections[number];
            if (c->busy && c->sent < size && (events[i].events & EPOLLOUT)) push(c, number);
            if (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
                if (c->busy) take(number);
                else fail("the server spoke or hung up unasked");
            }
        }
    }
    qsort(latencies, done, sizeof *latencies, by_value);
    size_t unanswered = arrived - done - errors;
    /* Those without an answer are slower than all others, so they belong at the end of the order. */
    size_t all = done + unanswered, half = all / 2, last = (size_t)(all * 0.99);
    double worst = now() - begun;
    printf("{\"requests\": %zu, \"seconds\": %.3f, \"p50\": %.0f, \"p99\": %.0f, \"errors\": %zu, \"unanswered\": %zu}\n",
           done, seconds, 1e6 * (half < done ? latencies[half] : worst), 1e6 * (last < done ? latencies[last] : worst),
           errors, unanswered);
    return 0;
}
