/* The firmware of the reference board: one call, driven by time.
 *
 * Nothing here knows a microcontroller. A port (a shared library, a Linux process, a Cortex-M3)
 * calls bms_step() when `wake_us` of the last call has come, when a transfer on the SPI bus is
 * done, or when CAN frames have arrived; a call that comes early does no harm. All state is in
 * `struct bms`, which the caller owns: no globals, no heap, so that one program may hold many
 * boards.
 */
#ifndef BMS_H
#define BMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    BMS_MAX_RX = 32,  /* frames in one call; a port that has more calls again */
    BMS_MAX_TX = 64,  /* a board of 64 cells says all it knows in 55 frames */
    BMS_MAX_SPI = 64, /* a command and six bytes with their PEC for four front ends: 36 */
};

/* Whom a transfer is meant for: the chip select that goes low. */
enum bms_select {
    BMS_FRONT_ENDS = 0, /* daisy chain of LTC6813-1, up to four */
    BMS_SHUNT = 1,      /* INA229 across the shunt */
};

/* A CAN frame with an 11-bit identifier; 16 bytes without padding. */
struct bms_frame {
    uint32_t id;
    uint32_t length;
    uint8_t data[8];
};

/* What has happened since the last call. `spi_bytes` is 0, or that of the transfer asked for last:
 * then `spi` is what came in while it went out. */
struct bms_in {
    uint32_t frames;
    uint32_t spi_bytes;
    struct bms_frame frame[BMS_MAX_RX];
    uint8_t spi[BMS_MAX_SPI];
};

/* What to do now: send the frames, start a transfer if `spi_bytes` is not 0, and call again at
 * `wake_us` at the latest. A transfer that has no answer by then has failed, and the firmware knows
 * so from a call at `wake_us` with spi_bytes 0. */
struct bms_out {
    uint64_t wake_us;
    uint32_t frames;
    uint32_t spi_bytes;
    uint32_t spi_select;
    uint32_t reserved;
    struct bms_frame frame[BMS_MAX_TX];
    uint8_t spi[BMS_MAX_SPI];
};

struct bms;

/* Power-up at `now_us`, with the parameter page of the board (params.h). False for a page that is
 * damaged or asks for what cannot be: the board then says nothing and bleeds nothing. */
bool bms_init(struct bms *self, uint64_t now_us, const uint8_t *page, size_t size);

/* Run up to `now_us`, which never falls from one call to the next. */
void bms_step(struct bms *self, uint64_t now_us, const struct bms_in *in, struct bms_out *out);

#endif
