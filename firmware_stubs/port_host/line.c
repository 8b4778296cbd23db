#define _GNU_SOURCE /* accept4 */
#include "line.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* --- opening ----------------------------------------------------------------------------------- */

static bool complain(const char *where, const char *why) {
    fprintf(stderr, "%s: %s\n", where, why);
    return false;
}

/* Take a socket that was opened for us; it knows by itself whether it listens. */
static bool take_over(struct line *self, const char *where) {
    char *end;
    long number = strtol(where + 1, &end, 10);
    int listens = 0;
    socklen_t size = sizeof listens;
    int descriptor = (int)number;

    if (where[1] == '\0' || *end != '\0' || number < 0 || number > 65535 ||
        getsockopt(descriptor, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) != 0) {
        return complain(where, "no socket");
    }
    fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) | O_NONBLOCK);
    *(listens ? &self->door : &self->client) = descriptor;
    snprintf(self->address, sizeof self->address, "%s", where);
    return true;
}

/* Bind a socket and let it listen; -1, with errno, if it cannot. */
static int listening(const struct addrinfo *at) {
    int on = 1;
    int door = socket(at->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (door < 0) {
        return -1;
    }
    setsockopt(door, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(door, at->ai_addr, at->ai_addrlen) != 0 || listen(door, 4) != 0) {
        int why = errno;
        close(door);
        errno = why;
        return -1;
    }
    return door;
}

/* Write down where a socket really is, port 0 resolved. */
static void note_address(struct line *self, const char *host) {
    struct sockaddr_storage at;
    socklen_t size = sizeof at;
    char port[8] = "?";
    if (getsockname(self->door, (struct sockaddr *)&at, &size) == 0) {
        getnameinfo((struct sockaddr *)&at, size, NULL, 0, port, sizeof port, NI_NUMERICSERV);
    }
    snprintf(self->address, sizeof self->address, "%.50s:%s", host, port);
}

static bool listen_at(struct line *self, const char *where) {
    char host[LINE_ADDRESS];
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    const char *colon = strrchr(where, ':');

    if (colon == NULL || (size_t)(colon - where) >= sizeof host) {
        return complain(where, "expected HOST:PORT or @SOCKET");
    }
    memcpy(host, where, (size_t)(colon - where));
    host[colon - where] = '\0';
    int problem = getaddrinfo(host, colon + 1, &hints, &found);
    if (problem != 0) {
        return complain(where, gai_strerror(problem));
    }
    self->door = listening(found);
    freeaddrinfo(found);
    if (self->door < 0) {
        return complain(where, strerror(errno));
    }
    note_address(self, host);
    return true;
}

bool line_open(struct line *self, const char *where) {
    self->door = -1;
    self->client = -1;
    return where[0] == '@' ? take_over(self, where) : listen_at(self, where);
}

/* --- clients ----------------------------------------------------------------------------------- */

bool line_accept(struct line *self) {
    int on = 1;
    int client = accept4(self->door, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (client < 0) {
        return false; /* gone again before its turn */
    }
    if (self->client >= 0) {
        close(client);
        return false;
    }
    setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    self->client = client;
    return true;
}

void line_hang_up(struct line *self) {
    if (self->client >= 0) {
        close(self->client);
        self->client = -1;
    }
}

struct pollfd line_events(const struct line *self, bool has_more) {
    /* poll() leaves out what is negative */
    return (struct pollfd){self->client, (short)(POLLIN | (has_more ? POLLOUT : 0)), 0};
}

size_t line_read(struct line *self, uint8_t *bytes, size_t room) {
    if (self->client < 0) {
        return 0;
    }
    ssize_t size = read(self->client, bytes, room);
    if (size > 0) {
        return (size_t)size;
    }
    if (size == 0 || (errno != EAGAIN && errno != EINTR)) {
        line_hang_up(self);
    }
    return 0;
}

void line_write(struct line *self, struct queue *queue) {
    size_t size;
    const uint8_t *bytes = queue_front(queue, &size);
    while (size > 0) {
        ssize_t written = (ssize_t)size;
        if (self->client >= 0) {
            written = write(self->client, bytes, size);
        }
        if (written <= 0) {
            return; /* no room now, or a client that goes: reading tells which */
        }
        queue_drop(queue, (size_t)written);
        bytes = queue_front(queue, &size);
    }
}
