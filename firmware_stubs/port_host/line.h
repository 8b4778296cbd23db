/* A wire of the board as a socket that serves one client at a time. */
#ifndef LINE_H
#define LINE_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "queue.h"

enum { LINE_ADDRESS = 64 };

struct line {
    int door;   /* listens; -1 for a line that was connected when we got it */
    int client; /* -1 while there is none */
    char address[LINE_ADDRESS];
};

/* Open a line as `where` says: HOST:PORT or @SOCKET. False, with a word on stderr, if it cannot. */
bool line_open(struct line *self, const char *where);

/* Let a client in, or go again where there is one; return whether one was let in. */
bool line_accept(struct line *self);

/* End the connection, if there is one. */
void line_hang_up(struct line *self);

/* What to poll for; `has_more` says that something waits to be written. */
struct pollfd line_events(const struct line *self, bool has_more);

/* Read what has come; 0 when nothing has, or the client has gone. */
size_t line_read(struct line *self, uint8_t *bytes, size_t room);

/* Write what goes now; without a client it is gone, as on a wire that leads nowhere. */
void line_write(struct line *self, struct queue *queue);

#endif
