#include "spi_wire.h"

#include <string.h>

size_t spi_wire_ask(struct spi_wire *self, uint32_t select, const uint8_t *bytes, uint32_t size,
                    uint8_t packet[SPI_WIRE_PACKET]) {
    self->owed++;
    self->is_awaited = true;
    self->select = (uint8_t)select;
    self->asked = size;
    packet[0] = (uint8_t)select;
    packet[1] = (uint8_t)(size & 0xFF);
    packet[2] = (uint8_t)(size >> 8);
    memcpy(packet + SPI_WIRE_HEAD, bytes, size);
    return SPI_WIRE_HEAD + size;
}

void spi_wire_give_up(struct spi_wire *self) {
    self->is_awaited = false;
}

void spi_wire_reset(struct spi_wire *self) {
    self->owed = 0;
    self->got = 0;
    self->is_awaited = false;
}

/* A packet is whole. Of the answers owed, only the last one can still be wanted. */
static bool take(struct spi_wire *self, uint32_t size) {
    bool is_last = self->owed == 1;
    self->got = 0;
    if (self->owed > 0) {
        self->owed--;
    }
    if (!is_last || !self->is_awaited) {
        return false;
    }
    self->is_awaited = false;
    return size == self->asked && self->head[0] == self->select;
}

bool spi_wire_hear(struct spi_wire *self, uint8_t byte) {
    uint32_t at = self->got++;
    if (at < SPI_WIRE_HEAD) {
        self->head[at] = byte;
    } else if (at - SPI_WIRE_HEAD < BMS_MAX_SPI) {
        self->bytes[at - SPI_WIRE_HEAD] = byte; /* what is longer than any transfer is read over */
    }
    if (self->got < SPI_WIRE_HEAD) {
        return false;
    }
    uint32_t size = (uint32_t)(self->head[1] | self->head[2] << 8);
    return self->got == SPI_WIRE_HEAD + size && take(self, size);
}
