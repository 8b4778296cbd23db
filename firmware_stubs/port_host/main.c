/* The board as a Linux process, in real time: bms-board PAGE CAN SPI [WORDS...]
 *
 * PAGE is a file with the parameter page. CAN is where the board's slcan adapter is, SPI where its
 * chips are: HOST:PORT to listen there (port 0: any free one), or @N for a socket that whoever
 * started us has opened, listening or connected. One client a line at a time; who comes second is
 * let go. SIGHUP ends the connection at CAN; what follows SPI only shows in `ps`.
 *
 * Prints one line when it listens: where CAN and SPI are.
 */
#define _GNU_SOURCE /* ppoll, accept4 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "line.h"
#include "live.h"

enum { EXIT_USAGE = 64, EXIT_DATA = 65, EXIT_NO_INPUT = 66, EXIT_UNAVAILABLE = 69 };
enum { PAGE_ROOM = 4096, CHUNK = 512 };
enum { AT_CAN, AT_SPI, AT_SIGNAL, AT_DOORS, PLACES = AT_DOORS + 2 };

struct board {
    struct live live;
    struct line can;
    struct line spi;
    int signals;
};

/* The clock that nobody sets. */
static uint64_t now_us(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u;
}

/* --- bytes in ---------------------------------------------------------------------------------- */

/* Let the firmware hear what the host says, and run in between: a call holds 32 frames at most. */
static void hear_can(struct board *self) {
    uint8_t bytes[CHUNK];
    size_t size = line_read(&self->can, bytes, sizeof bytes);
    for (size_t i = 0; i < size; i++) {
        live_hear_can(&self->live, bytes[i]);
        if (!live_hears_can(&self->live)) {
            live_run(&self->live, now_us());
        }
    }
}

static void hear_spi(struct board *self) {
    uint8_t bytes[CHUNK];
    size_t size = line_read(&self->spi, bytes, sizeof bytes);
    for (size_t i = 0; i < size; i++) {
        live_hear_spi(&self->live, bytes[i]);
    }
}

static void take_signal(struct board *self) {
    struct signalfd_siginfo signal;
    if (read(self->signals, &signal, sizeof signal) == (ssize_t)sizeof signal) {
        line_hang_up(&self->can);
    }
}

/* --- the loop ---------------------------------------------------------------------------------- */

/* Sleep until the firmware wants to run, bytes come, or a line that was busy has room. */
static void wait_for(struct board *self, struct pollfd places[PLACES]) {
    uint64_t now = now_us();
    uint64_t left = self->live.wake_us > now ? self->live.wake_us - now : 0;
    struct timespec timeout = {(time_t)(left / 1000000u), (long)(left % 1000000u) * 1000};

    places[AT_CAN] = line_events(&self->can, queue_waiting(&self->live.to_can) > 0);
    places[AT_SPI] = line_events(&self->spi, queue_waiting(&self->live.to_spi) > 0);
    places[AT_SIGNAL] = (struct pollfd){self->signals, POLLIN, 0};
    places[AT_DOORS] = (struct pollfd){self->can.door, POLLIN, 0};
    places[AT_DOORS + 1] = (struct pollfd){self->spi.door, POLLIN, 0};
    if (ppoll(places, PLACES, &timeout, NULL) < 0) {
        for (int i = 0; i < PLACES; i++) {
            places[i].revents = 0; /* interrupted, as by a debugger: nothing is known */
        }
    }
}

static void run(struct board *self) {
    struct pollfd places[PLACES];
    for (;;) {
        wait_for(self, places);
        if (places[AT_SPI].revents) {
            hear_spi(self);
        }
        if (places[AT_CAN].revents & ~POLLOUT) {
            hear_can(self);
        }
        if (places[AT_SIGNAL].revents) {
            take_signal(self);
        }
        live_run(&self->live, now_us());
        line_write(&self->can, &self->live.to_can);
        line_write(&self->spi, &self->live.to_spi);
        /* last: what a client that has gone was owed must not reach the next one */
        if (places[AT_DOORS].revents) {
            line_accept(&self->can);
        }
        if (places[AT_DOORS + 1].revents && line_accept(&self->spi)) {
            spi_wire_reset(&self->live.spi);
        }
    }
}

/* --- power-up ---------------------------------------------------------------------------------- */

static size_t read_page(const char *path, uint8_t page[PAGE_ROOM]) {
    FILE *file = fopen(path, "rb");
    size_t size = 0;
    if (file != NULL) {
        size = fread(page, 1, PAGE_ROOM, file);
        fclose(file);
    }
    return size;
}

static int take_signals(void) {
    sigset_t hang_up;
    sigemptyset(&hang_up);
    sigaddset(&hang_up, SIGHUP);
    sigprocmask(SIG_BLOCK, &hang_up, NULL);
    signal(SIGPIPE, SIG_IGN); /* a client that goes is no reason to die */
    return signalfd(-1, &hang_up, SFD_NONBLOCK | SFD_CLOEXEC);
}

int main(int argc, char **argv) {
    static struct board board; /* 20 kB, too much for a small stack */
    uint8_t page[PAGE_ROOM];

    if (argc < 4) {
        fprintf(stderr, "usage: %s PAGE CAN SPI, each of the two HOST:PORT or @SOCKET\n", argv[0]);
        return EXIT_USAGE;
    }
    size_t size = read_page(argv[1], page);
    if (size == 0) {
        fprintf(stderr, "%s: %s: no parameter page there\n", argv[0], argv[1]);
        return EXIT_NO_INPUT;
    }
    board.signals = take_signals();
    if (!line_open(&board.can, argv[2]) || !line_open(&board.spi, argv[3])) {
        return EXIT_UNAVAILABLE; /* line_open has said why */
    }
    if (!live_start(&board.live, now_us(), page, size)) {
        fprintf(stderr, "%s: %s: the firmware refuses this parameter page\n", argv[0], argv[1]);
        return EXIT_DATA;
    }
    printf("can %s spi %s\n", board.can.address, board.spi.address);
    fflush(stdout);
    run(&board);
}
