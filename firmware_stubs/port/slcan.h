/* The device's side of slcan: CAN frames as lines of text, as Lawicel's CANUSB speaks them.
 *
 *   tIIILDD..  frame with an 11-bit identifier    T, r, R  29-bit, remote: see below
 *   Sn bit rate   O open   L open, listen only   C close   Zn time stamps
 *   V version     N serial number   F status flags (read and cleared)
 *
 * A line ends with CR. It is answered with CR (`z` CR or `Z` CR for a frame that was taken), with a
 * text and CR, or with BEL for "no". Frames with 29-bit identifiers and remote frames go onto the
 * bus like any other, but the board's acceptance filter lets none of them in.
 *
 * No I/O: bytes in, frames and answers out.
 */
#ifndef SLCAN_H
#define SLCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bms.h"

enum {
    SLCAN_LINE = 32, /* T, 8 + 1 digits, 8 bytes, a time stamp, CR: 31 */
    SLCAN_ANSWER = 8,
    SLCAN_BITRATE = 6, /* the board's bus, as the digit of S: 500 kbit/s */
};

/* Bits of the status that `F` reads. */
enum {
    SLCAN_QUEUE_FULL = 0x01,
    SLCAN_BUS_ERROR = 0x80,
};

/* Zero is the state after power-up: closed, without a bit rate. */
struct slcan {
    uint8_t line[SLCAN_LINE];
    uint32_t length;
    bool is_overlong; /* what comes up to the end of this line is dropped */
    bool has_bitrate;
    bool is_open;
    bool listens_only;
    bool stamps;
    uint8_t bitrate; /* the digit of S */
    uint8_t flags;
};

/* What a byte from the host has completed: an answer to send, and a frame for the board. */
struct slcan_heard {
    bool has_frame;
    uint32_t answer_bytes;
    uint8_t answer[SLCAN_ANSWER];
    struct bms_frame frame;
};

/* Take one byte from the host. */
void slcan_hear(struct slcan *self, uint8_t byte, struct slcan_heard *heard);

/* Write the line of a frame that the board has sent, and return its length; 0 while nobody listens,
 * or at another bit rate, where it is nothing but an error on the bus. */
size_t slcan_say(struct slcan *self, const struct bms_frame *frame, uint64_t now_us,
                 uint8_t line[SLCAN_LINE]);

#endif
