/* A board in real time: the firmware, its CAN adapter and its SPI wire, without any I/O.
 *
 * A port moves bytes and tells the time; everything that a Linux process and a microcontroller have
 * in common is here. What is to be sent waits in two queues, which the port empties as its lines
 * have room: the firmware never waits for anybody who does not read.
 */
#ifndef LIVE_H
#define LIVE_H

#include "bms.h"
#include "bms_state.h"
#include "queue.h"
#include "slcan.h"
#include "spi_wire.h"

struct live {
    struct bms bms;
    struct slcan slcan;
    struct spi_wire spi;
    uint64_t wake_us;     /* when the firmware wants to run next */
    struct queue to_can;  /* for the host, as slcan text */
    struct queue to_spi;  /* for the chips, as packets */
    struct bms_in in;
    struct bms_out out;
};

/* Power-up. False for a parameter page that the firmware refuses: call nothing else then. */
bool live_start(struct live *self, uint64_t now_us, const uint8_t *page, size_t size);

/* Say whether a byte from the host can be taken; else live_run() comes first. */
bool live_hears_can(const struct live *self);

/* Take a byte from the host. */
void live_hear_can(struct live *self, uint8_t byte);

/* Take a byte from the chips. */
void live_hear_spi(struct live *self, uint8_t byte);

/* Run the firmware if its time has come or something has arrived for it. */
void live_run(struct live *self, uint64_t now_us);

#endif
