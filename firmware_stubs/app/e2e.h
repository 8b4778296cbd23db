/* Protection of CAN frames in the manner of AUTOSAR E2E profile 1.
 *
 * Byte 0 is a CRC-8 (SAE J1850, polynomial 1Dh, start and final value 0) over a Data ID, which is
 * never sent, and bytes 1 to 7. The low nibble of byte 1 counts 0 to 14, its high nibble is the
 * page of a multiplexed message.
 */
#ifndef E2E_H
#define E2E_H

#include <stdbool.h>
#include <stdint.h>

enum {
    E2E_ALIVE_COUNTS = 15, /* 15 itself stands for "invalid" */
    E2E_FRAME_BYTES = 8,
};

/* What a receiver remembers of one message. */
struct e2e_receiver {
    uint8_t alive;
    bool has_heard;
};

/* Put the CRC of a frame of message `id` into its byte 0. */
void e2e_seal(uint32_t id, uint8_t frame[E2E_FRAME_BYTES]);

/* Say whether a frame may be believed: whole, of this message, and newer than the one before.
 *
 * After a counter that does not fit, counting goes on from it: one frame is dropped, and the
 * receiver is in step again. */
bool e2e_accept(struct e2e_receiver *self, uint32_t id, const uint8_t *frame, uint32_t length);

/* The counter after `alive`. */
uint8_t e2e_next(uint8_t alive);

#endif
