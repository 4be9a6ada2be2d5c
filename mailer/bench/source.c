/* The limit: hands the same ready letter over again and again, as fast as this machine can.
 *
 * Pipelined as Mailer does it: the end of one letter travels with MAIL, RCPT and DATA of the next, so that each letter
 * costs one write and one read. It builds nothing, signs nothing and remembers nothing.
 *
 * source PORT CONNECTIONS LETTERS FILE     prints nothing; status 0 if every letter was accepted
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

enum { READ = 4096, EVENTS = 64, OPENING = 256, MOST_CONNECTIONS = 1024 };

struct connection { int socket, step, written; size_t sent, opening_length; char opening[OPENING]; };

static const char end_of_data[] = ".\r\n", quit[] = "QUIT\r\n";
static char *letter;
static size_t letter_length;
static long letters, begun, accepted;
static int poller, living;

static void die(const char *what) { perror(what); exit(1); }

/* The opening of the next letter, or the farewell when there is none. */
static void open_next(struct connection *c) {
    if (begun < letters)
        c->opening_length = snprintf(c->opening, OPENING, "MAIL FROM:<b@bounce.example.org>\r\n"
                                     "RCPT TO:<member%ld@example.net>\r\nDATA\r\n", begun++);
    else
        memcpy(c->opening, quit, c->opening_length = sizeof quit - 1);
}

/* Writes what is left of letter, end of data and the next opening; the first opening stands alone. */
static void send_on(struct connection *c) {
    struct iovec all[] = {{letter, letter_length}, {(char *)end_of_data, 3}, {c->opening, c->opening_length}}, *at = all;
    size_t skip = c->sent, left = 0;
    for (int i = 0; i < 3; i++) {
        size_t cut = skip < all[i].iov_len ? skip : all[i].iov_len;
        all[i].iov_base = (char *)all[i].iov_base + cut, all[i].iov_len -= cut, skip -= cut, left += all[i].iov_len;
    }
    ssize_t sent = left ? writev(c->socket, at, 3) : 0;
    if (sent < 0 && errno != EAGAIN) die("write");
    if (sent > 0) c->sent += sent, left -= sent;
    c->written = !left;
    struct epoll_event event = {.events = left ? EPOLLIN | EPOLLOUT : EPOLLIN, .data.ptr = c};
    epoll_ctl(poller, EPOLL_CTL_MOD, c->socket, &event);
}

static void write_opening(struct connection *c) {
    open_next(c);
    c->sent = letter_length + 3;
    send_on(c);
}

/* One reply: 220, then 250 for HELO, then MAIL, RCPT, DATA and the end of data in turn. */
static void hear(struct connection *c, const char *line) {
    static const char *expected[] = {"220", "250", "250", "250", "354", "250"};
    if (!strncmp(line, "221", 3)) { close(c->socket); living--; return; }
    if (strncmp(line, expected[c->step], 3)) { fprintf(stderr, "step %d: %.60s\n", c->step, line); exit(1); }
    switch (c->step++) {
    case 0: if (write(c->socket, "HELO source.example.org\r\n", 25) != 25) die("write"); break;
    case 1: write_opening(c); break;
    case 4: c->sent = 0; open_next(c); send_on(c); break;
    case 5: accepted++, c->step = 2; break;
    }
}

static void listen_to(struct connection *c) {
    char heard[READ + 1];
    ssize_t got = read(c->socket, heard, READ);
    if (got < 0 && errno == EAGAIN) return;
    if (got <= 0) die("the server hung up");
    heard[got] = 0;
    for (char *line = heard, *end; (end = strchr(line, '\n')); line = end + 1) hear(c, line);
}

static void load(const char *path) {
    FILE *file = fopen(path, "rb");
    if (!file || fseek(file, 0, SEEK_END)) die(path);
    letter_length = ftell(file);
    rewind(file);
    letter = malloc(letter_length);
    if (!letter || fread(letter, 1, letter_length, file) != letter_length) die(path);
    fclose(file);
}

int main(int count, char **words) {
    if (count != 5) { fprintf(stderr, "source PORT CONNECTIONS LETTERS FILE\n"); return 2; }
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(atoi(words[1])),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    living = atoi(words[2]), letters = atol(words[3]);
    if (living < 1 || living > MOST_CONNECTIONS || letters < living) { fprintf(stderr, "too many connections\n"); return 2; }
    load(words[4]);
    poller = epoll_create1(EPOLL_CLOEXEC);
    struct connection *all = calloc(living, sizeof *all);
    for (int i = 0, wanted = living, one = 1; i < wanted; i++) {
        all[i].socket = socket(AF_INET, SOCK_STREAM, 0);
        if (connect(all[i].socket, (struct sockaddr *)&address, sizeof address)) die("connect");
        setsockopt(all[i].socket, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = &all[i]};
        if (epoll_ctl(poller, EPOLL_CTL_ADD, all[i].socket, &event)) die("epoll_ctl");
    }
    while (living) {
        struct epoll_event events[EVENTS];
        int ready = epoll_wait(poller, events, EVENTS, 60000);
        if (ready <= 0) die("no answer");
        for (int i = 0; i < ready; i++) {
            struct connection *c = events[i].data.ptr;
            if (events[i].events & EPOLLIN) listen_to(c);
            if (events[i].events & EPOLLOUT && !c->written) send_on(c);
        }
    }
    return accepted == letters ? 0 : 1;
}
