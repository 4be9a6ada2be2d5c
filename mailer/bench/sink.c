/* The benchmarks' mail server: takes letters as fast as this machine can, and remembers what it took.
 *
 * It listens on loopback only, at a port that the kernel chooses and that it prints. Of every recipient it keeps how
 * many letters came, the last return path, and two hashes: of the head without Date and DKIM-Signature, which say when
 * a letter was built, and of the body. It obeys lines on stdin ("stat", "dump FILE", "forget") and ends when stdin
 * does, so that it never outlives whoever started it.
 *
 * sink [--delay-ms N] [--reject-every N] [--quota N] [--tls CERT KEY]
 * sink --hash      reads letters, each after its length on a line, and prints the two hashes of each
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>
#ifdef WITH_TLS
#include <openssl/ssl.h>
#endif

enum { READ = 256 * 1024, MOST = 4 * READ, EVENTS = 64, REPLIES = 4096, LINE = 1024 };

static void die(const char *what) { perror(what); exit(1); }

static void *need(void *memory) { if (!memory) die("memory"); return memory; }

static int64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

/* ---- hashes: eight octets at a time in four lanes; not for adversaries, only for mistakes ---- */

static uint64_t mixed(uint64_t hash, uint64_t word) {
    hash = (hash ^ word) * UINT64_C(0x9E3779B97F4A7C15);
    return hash ^ hash >> 29;
}

static uint64_t hashed(uint64_t seed, const char *at, size_t length) {
    uint64_t lane[4] = {seed ^ length, seed + 1, seed + 2, seed + 3}, word[4];
    for (; length >= 32; at += 32, length -= 32) {
        memcpy(word, at, 32);
        for (int i = 0; i < 4; i++) lane[i] = mixed(lane[i], word[i]);
    }
    memset(word, 0, sizeof word);
    memcpy(word, at, length);
    for (int i = 0; i < 4; i++) lane[i] = mixed(lane[i], word[i]);
    return mixed(mixed(lane[0], lane[1]), mixed(lane[2], lane[3]));
}

static int is_field(const char *line, const char *end, const char *name) {
    size_t length = strlen(name);
    return (size_t)(end - line) > length && !strncasecmp(line, name, length) && line[length] == ':';
}

static void hash_letter(const char *at, size_t length, uint64_t *head, uint64_t *body) {
    const char *end = at + length, *line = at, *next;
    int skipped = 0;
    *head = 0;
    for (; line < end; line = next) {
        next = memchr(line, '\n', end - line);
        next = next ? next + 1 : end;
        if (next - line <= 2) { line = next; break; }
        if (*line != ' ' && *line != '\t')
            skipped = is_field(line, end, "Date") || is_field(line, end, "DKIM-Signature");
        if (!skipped) *head = hashed(*head, line, next - line);
    }
    *body = hashed(0, line, end - line);
}

/* ---- what came, by recipient ---- */

struct entry { char *recipient, *sender; uint64_t head, body; uint32_t count; };
static struct entry *table;
static size_t slots, used;

static struct entry *slot_of(const char *recipient) {
    size_t at = hashed(7, recipient, strlen(recipient)) & (slots - 1);
    while (table[at].recipient && strcmp(table[at].recipient, recipient)) at = (at + 1) & (slots - 1);
    return &table[at];
}

static void forget(void) {
    for (size_t i = 0; i < slots; i++) { free(table[i].recipient); free(table[i].sender); }
    free(table);
    slots = 1 << 16, used = 0;
    table = need(calloc(slots, sizeof *table));
}

static void grow(void) {
    struct entry *old = table;
    size_t count = slots;
    slots *= 2;
    table = need(calloc(slots, sizeof *table));
    for (size_t i = 0; i < count; i++) if (old[i].recipient) *slot_of(old[i].recipient) = old[i];
    free(old);
}

static struct { uint64_t letters, connections, refused; int64_t first_mail, last_mail, last_kept; } figures;

static void keep(const char *sender, const char *recipient, const char *letter, size_t length) {
    if (used * 2 > slots) grow();
    struct entry *entry = slot_of(recipient);
    if (!entry->recipient) { entry->recipient = need(strdup(recipient)); used++; }
    if (!entry->sender || strcmp(entry->sender, sender)) { free(entry->sender); entry->sender = need(strdup(sender)); }
    entry->count++;
    hash_letter(letter, length, &entry->head, &entry->body);
    figures.letters++;
    figures.last_kept = now_ns();
}

static void dump(const char *path) {
    FILE *file = fopen(path, "w");
    if (!file) die(path);
    for (size_t i = 0; i < slots; i++)
        if (table[i].recipient)
            fprintf(file, "%s\t%s\t%u\t%016" PRIx64 "\t%016" PRIx64 "\n", table[i].recipient, table[i].sender,
                    table[i].count, table[i].head, table[i].body);
    if (fclose(file)) die(path);
    printf("dumped\n");
}

static void stat_line(void) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    int64_t user = usage.ru_utime.tv_sec * INT64_C(1000000) + usage.ru_utime.tv_usec;
    int64_t system = usage.ru_stime.tv_sec * INT64_C(1000000) + usage.ru_stime.tv_usec;
    printf("%" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRId64 " %" PRId64 " %" PRId64 " %" PRId64 "\n", figures.letters,
           figures.connections, figures.refused, figures.first_mail, figures.last_mail, figures.last_kept,
           user + system);
}

/* ---- connections ---- */

struct reply { struct reply *next; int64_t due; struct connection *to; size_t length; char octets[]; };

struct connection {
    struct connection *next_dead;
    int socket, in_data, closing, closed, waiting, buried;
    char *input, *out, sender[LINE], recipient[LINE];
    size_t have, room, scanned, out_length, out_room;
#ifdef WITH_TLS
    SSL *tls;
#endif
};

static int poller, timer, delay_ms, reject_every, quota;
static uint64_t rcpts;
static struct reply *oldest, **newest = &oldest;
#ifdef WITH_TLS
static SSL_CTX *tls;
#endif

static ssize_t get(struct connection *c, char *to, size_t most) {
#ifdef WITH_TLS
    if (c->tls) {
        int got = SSL_read(c->tls, to, most);
        if (got > 0) return got;
        int why = SSL_get_error(c->tls, got);
        errno = why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE ? EAGAIN : ECONNRESET;
        return why == SSL_ERROR_ZERO_RETURN ? 0 : -1;
    }
#endif
    return read(c->socket, to, most);
}

static ssize_t put(struct connection *c, const char *from, size_t length) {
#ifdef WITH_TLS
    if (c->tls) {
        int sent = SSL_write(c->tls, from, length);
        if (sent > 0) return sent;
        int why = SSL_get_error(c->tls, sent);
        errno = why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE ? EAGAIN : ECONNRESET;
        return -1;
    }
#endif
    return send(c->socket, from, length, MSG_NOSIGNAL);
}

static struct connection *dead;

/* Freed only when all events of a round are done: one of them may still name it. */
static void bury_if_done(struct connection *c) {
    if (!c->closed || c->waiting || c->buried) return;
    c->buried = 1, c->next_dead = dead, dead = c;
}

static void free_dead(void) {
    for (struct connection *c; (c = dead);) {
        dead = c->next_dead;
        free(c->input);
        free(c->out);
        free(c);
    }
}

static void hang_up(struct connection *c) {
    if (c->closed) return;
    c->closed = 1;
#ifdef WITH_TLS
    if (c->tls) SSL_free(c->tls);
#endif
    close(c->socket);
}

static void flush(struct connection *c) {
    while (!c->closed && c->out_length) {
        ssize_t sent = put(c, c->out, c->out_length);
        if (sent < 0 && (errno == EAGAIN || errno == EINTR)) {
            struct epoll_event event = {.events = EPOLLIN | EPOLLOUT, .data.ptr = c};
            epoll_ctl(poller, EPOLL_CTL_MOD, c->socket, &event);
            return;
        }
        if (sent < 0) { hang_up(c); return; }
        memmove(c->out, c->out + sent, c->out_length -= sent);
    }
    if (c->closing && !c->waiting) hang_up(c);
}

static void append(struct connection *c, const char *octets, size_t length) {
    if (c->out_length + length > c->out_room)
        c->out = need(realloc(c->out, c->out_room = 2 * (c->out_length + length)));
    memcpy(c->out + c->out_length, octets, length);
    c->out_length += length;
}

static void arm(void) {
    struct itimerspec at = {{0, 0}, {0, 0}};
    if (oldest) at.it_value.tv_sec = oldest->due / 1000000000, at.it_value.tv_nsec = oldest->due % 1000000000;
    timerfd_settime(timer, TFD_TIMER_ABSTIME, &at, NULL);
}

/* Replies to one reading go out together; with a delay each group waits its own time, and none holds up another's. */
static void answer(struct connection *c, const char *octets, size_t length) {
    if (!length) return;
    if (!delay_ms) { append(c, octets, length); flush(c); return; }
    struct reply *reply = need(malloc(sizeof *reply + length));
    *reply = (struct reply){NULL, now_ns() + delay_ms * INT64_C(1000000), c, length};
    memcpy(reply->octets, octets, length);
    c->waiting++;
    *newest = reply, newest = &reply->next;
    if (reply == oldest) arm();
}

static void ring(void) {
    uint64_t rings;
    if (read(timer, &rings, sizeof rings) < 0) return;
    for (int64_t now = now_ns(); oldest && oldest->due <= now;) {
        struct reply *reply = oldest;
        struct connection *c = reply->to;
        if (!(oldest = reply->next)) newest = &oldest;
        c->waiting--;
        if (!c->closed) { append(c, reply->octets, reply->length); flush(c); }
        bury_if_done(c);
        free(reply);
    }
    arm();
}

/* ---- the dialogue ---- */

static void path_of(const char *line, size_t length, char *to) {
    const char *from = memchr(line, '<', length), *until = from ? memchr(from, '>', length - (from - line)) : NULL;
    size_t size = until ? (size_t)(until - from - 1) : 0;
    if (size >= LINE) size = LINE - 1;
    if (size) memcpy(to, from + 1, size);
    to[size] = 0;
}

static const char *command(struct connection *c, const char *line, size_t length) {
    static const char hello[] = "250-sink.example.org\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n"
                                "250-SIZE 52428800\r\n250 ENHANCEDSTATUSCODES\r\n";
    if (!strncasecmp(line, "MAIL", 4)) {
        figures.last_mail = now_ns();
        if (!figures.first_mail) figures.first_mail = figures.last_mail;
        path_of(line, length, c->sender);
        c->recipient[0] = 0;
        return "250 2.1.0 Ok\r\n";
    }
    if (!strncasecmp(line, "RCPT", 4)) {
        if (reject_every && ++rcpts % reject_every == 0) { figures.refused++; return "550 5.1.1 No such mailbox\r\n"; }
        if (quota && figures.letters >= (uint64_t)quota) { figures.refused++; return "550 5.4.5 Daily quota exceeded\r\n"; }
        path_of(line, length, c->recipient);
        return "250 2.1.5 Ok\r\n";
    }
    if (!strncasecmp(line, "DATA", 4)) {
        if (!c->recipient[0]) return "554 5.5.1 No valid recipients\r\n";
        c->in_data = 1;
        return "354 Go ahead\r\n";
    }
    if (!strncasecmp(line, "EHLO", 4)) return hello;
    if (!strncasecmp(line, "HELO", 4)) return "250 sink.example.org\r\n";
    if (!strncasecmp(line, "RSET", 4)) { c->recipient[0] = 0; return "250 2.0.0 Ok\r\n"; }
    if (!strncasecmp(line, "NOOP", 4)) return "250 2.0.0 Ok\r\n";
    if (!strncasecmp(line, "QUIT", 4)) { c->closing = 1; return "221 2.0.0 Bye\r\n"; }
    return "500 5.5.2 What?\r\n";
}

typedef unsigned char block __attribute__((vector_size(32)));

/* The next line feed that a dot follows, 32 octets at a time; NULL if there is none. */
static char *dotted_line(char *at, char *end) {
    for (; at + 33 <= end; at += 32) {
        block here, next;
        memcpy(&here, at, 32);
        memcpy(&next, at + 1, 32);
        block found = (block)(here == '\n') & (block)(next == '.');
        uint64_t any[4];
        memcpy(any, &found, 32);
        if (any[0] | any[1] | any[2] | any[3]) break;
    }
    for (; at + 1 < end; at++) if (at[0] == '\n' && at[1] == '.') return at;
    return NULL;
}

static size_t unstuffed(char *letter, size_t length) {
    char *to = letter, *end = letter + length;
    int starts = 1;
    for (char *from = letter; from < end; from++) {
        if (!(starts && *from == '.')) *to++ = *from;
        starts = *from == '\n';
    }
    return to - letter;
}

/* Takes one letter from the input if it is whole; how many octets it was, or 0. What was looked at in vain is not
 * looked at again, unless it must be unstuffed. */
static size_t letter(struct connection *c, char *at, char *end) {
    if (end - at >= 3 && !memcmp(at, ".\r\n", 3)) { keep(c->sender, c->recipient, at, 0); return 3; }
    int stuffed = *at == '.';
    char *from = at + c->scanned;
    for (char *line; (line = dotted_line(from, end)); from = line + 2) {
        if (end - line < 4) { from = line; break; }
        if (line > at && line[-1] == '\r' && line[2] == '\r' && line[3] == '\n') {
            size_t length = line + 1 - at;
            keep(c->sender, c->recipient, at, stuffed ? unstuffed(at, length) : length);
            return line + 4 - at;
        }
        stuffed = 1;
    }
    if (from < end - 1 && !dotted_line(from, end)) from = end - 1;
    c->scanned = stuffed ? 0 : from - at;
    return 0;
}

static void converse(struct connection *c) {
    char replies[REPLIES], *at = c->input, *end = c->input + c->have;
    size_t said = 0;
    while (at < end && !c->closing) {
        const char *reply;
        if (c->in_data) {
            size_t taken = letter(c, at, end);
            if (!taken) break;
            at += taken, c->in_data = 0, c->scanned = 0;
            reply = "250 2.0.0 Kept\r\n";
        } else {
            char *line_end = memchr(at, '\n', end - at);
            if (!line_end) break;
            reply = command(c, at, line_end - at);
            at = line_end + 1;
        }
        size_t length = strlen(reply);
        if (said + length > sizeof replies) { answer(c, replies, said); said = 0; }
        memcpy(replies + said, reply, length);
        said += length;
    }
    memmove(c->input, at, c->have = end - at);
    answer(c, replies, said);
}

static void readable(struct connection *c) {
    do {
        if (c->room - c->have < READ) {
            if (c->room >= MOST) { hang_up(c); return; }
            c->input = need(realloc(c->input, c->room = c->have + 2 * READ));
        }
        ssize_t got = get(c, c->input + c->have, READ);
        if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
        if (got <= 0) { hang_up(c); return; }
        c->have += got;
        converse(c);
#ifdef WITH_TLS
    } while (!c->closed && c->tls && SSL_pending(c->tls));
#else
    } while (0);
#endif
}

static void welcome(int listener) {
    int socket = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC), one = 1;
    if (socket < 0) return;
    setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    struct connection *c = need(calloc(1, sizeof *c));
    c->socket = socket;
#ifdef WITH_TLS
    if (tls) {
        c->tls = SSL_new(tls);
        SSL_set_fd(c->tls, socket);
        SSL_set_accept_state(c->tls);
    }
#endif
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
    if (epoll_ctl(poller, EPOLL_CTL_ADD, socket, &event)) die("epoll_ctl");
    figures.connections++;
    static const char greeting[] = "220 sink.example.org ESMTP\r\n";
#ifdef WITH_TLS
    if (tls) { append(c, greeting, sizeof greeting - 1); return; }  /* said once the handshake is done */
#endif
    answer(c, greeting, sizeof greeting - 1);
}

static void obey(void) {
    static char line[LINE];
    static size_t have;
    ssize_t got = read(0, line + have, sizeof line - 1 - have);
    if (got <= 0) exit(0);
    have += got, line[have] = 0;
    for (char *end; (end = strchr(line, '\n')); memmove(line, end + 1, have -= end + 1 - line), line[have] = 0) {
        *end = 0;
        if (!strcmp(line, "stat")) stat_line();
        else if (!strncmp(line, "dump ", 5)) dump(line + 5);
        else if (!strcmp(line, "forget")) { forget(); memset(&figures, 0, sizeof figures); printf("forgot\n"); }
        fflush(stdout);
    }
}

static int listening(void) {
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    if (listener < 0 || bind(listener, (struct sockaddr *)&address, size) || listen(listener, 1024)) die("listen");
    getsockname(listener, (struct sockaddr *)&address, &size);
    printf("%d\n", ntohs(address.sin_port));
    fflush(stdout);
    return listener;
}

static void serve(void) {
    int listener = listening();
    poller = epoll_create1(EPOLL_CLOEXEC);
    timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    int *plain[] = {&listener, &timer, &(int){0}};
    for (int i = 0; i < 3; i++) {
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = plain[i]};
        if (epoll_ctl(poller, EPOLL_CTL_ADD, *plain[i], &event)) die("epoll_ctl");
    }
    for (;;) {
        struct epoll_event events[EVENTS];
        int count = epoll_wait(poller, events, EVENTS, -1);
        for (int i = 0; i < count; i++) {
            struct connection *c = events[i].data.ptr;
            if (events[i].data.ptr == plain[0]) welcome(listener);
            else if (events[i].data.ptr == plain[1]) ring();
            else if (events[i].data.ptr == plain[2]) obey();
            else if (!c->closed) {
                if (events[i].events & EPOLLOUT) {
                    struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
                    epoll_ctl(poller, EPOLL_CTL_MOD, c->socket, &event);
                }
                if (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) readable(c);
                if (c->out_length) flush(c);
                bury_if_done(c);
            }
        }
        free_dead();
    }
}

static int hash_stdin(void) {
    size_t length;
    char *letter = NULL;
    while (scanf("%zu", &length) == 1 && getchar() == '\n') {
        uint64_t head, body;
        letter = need(realloc(letter, length + 1));
        if (fread(letter, 1, length, stdin) != length) return 1;
        hash_letter(letter, length, &head, &body);
        printf("%016" PRIx64 "\t%016" PRIx64 "\n", head, body);
    }
    return 0;
}

int main(int count, char **words) {
    signal(SIGPIPE, SIG_IGN);
    forget();
    for (int i = 1; i < count; i++) {
        if (!strcmp(words[i], "--hash")) return hash_stdin();
        else if (!strcmp(words[i], "--delay-ms") && i + 1 < count) delay_ms = atoi(words[++i]);
        else if (!strcmp(words[i], "--reject-every") && i + 1 < count) reject_every = atoi(words[++i]);
        else if (!strcmp(words[i], "--quota") && i + 1 < count) quota = atoi(words[++i]);
#ifdef WITH_TLS
        else if (!strcmp(words[i], "--tls") && i + 2 < count) {
            tls = SSL_CTX_new(TLS_server_method());
            SSL_CTX_set_mode(tls, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
            if (SSL_CTX_use_certificate_chain_file(tls, words[i + 1]) != 1 ||
                SSL_CTX_use_PrivateKey_file(tls, words[i + 2], SSL_FILETYPE_PEM) != 1) {
                fprintf(stderr, "The certificate or its key cannot be used.\n");
                return 1;
            }
            i += 2;
        }
#endif
        else { fprintf(stderr, "unknown: %s\n", words[i]); return 2; }
    }
    serve();
}
