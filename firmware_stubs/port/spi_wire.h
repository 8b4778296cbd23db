/* The SPI bus of a board whose chips are in another program: packets on a stream of bytes.
 *
 * A transfer goes out as select (u8), length (u16, little-endian) and that many bytes; what the
 * chips have answered comes back in the same form. Answers come in the order of the transfers and
 * none is left out: so one that came too late is known, and is not taken for the next one's.
 */
#ifndef SPI_WIRE_H
#define SPI_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bms.h"

enum { SPI_WIRE_HEAD = 3, SPI_WIRE_PACKET = SPI_WIRE_HEAD + BMS_MAX_SPI };

/* Zero is the state after power-up. */
struct spi_wire {
    uint32_t owed;      /* answers that have not come, those of given-up transfers included */
    bool is_awaited;    /* the last of them is still wanted */
    uint8_t select;     /* of the last transfer */
    uint32_t asked;     /* bytes of it */
    uint32_t got;       /* bytes of the packet that is coming in */
    uint8_t head[SPI_WIRE_HEAD];
    uint8_t bytes[BMS_MAX_SPI];
};

/* Write the packet of a transfer of up to BMS_MAX_SPI bytes, and return its length. */
size_t spi_wire_ask(struct spi_wire *self, uint32_t select, const uint8_t *bytes, uint32_t size,
                    uint8_t packet[SPI_WIRE_PACKET]);

/* The time for the last transfer is over: its answer, should it come, is nobody's. */
void spi_wire_give_up(struct spi_wire *self);

/* The wire is a new one: what was owed on the old one never comes. */
void spi_wire_reset(struct spi_wire *self);

/* Take one byte; return true when it completes the answer that is waited for, in `bytes`. */
bool spi_wire_hear(struct spi_wire *self, uint8_t byte);

#endif
