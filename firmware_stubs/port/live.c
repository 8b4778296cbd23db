#include "live.h"

#include <string.h>

bool live_start(struct live *self, uint64_t now_us, const uint8_t *page, size_t size) {
    memset(self, 0, sizeof *self);
    self->wake_us = now_us;
    return bms_init(&self->bms, now_us, page, size);
}

bool live_hears_can(const struct live *self) {
    return self->in.frames < BMS_MAX_RX;
}

void live_hear_can(struct live *self, uint8_t byte) {
    struct slcan_heard heard;
    slcan_hear(&self->slcan, byte, &heard);
    if (heard.has_frame) {
        self->in.frame[self->in.frames++] = heard.frame;
    }
    if (heard.answer_bytes > 0 &&
        !queue_put(&self->to_can, heard.answer, heard.answer_bytes)) {
        self->slcan.flags |= SLCAN_QUEUE_FULL;
    }
}

void live_hear_spi(struct live *self, uint8_t byte) {
    if (spi_wire_hear(&self->spi, byte)) {
        self->in.spi_bytes = self->spi.asked;
        memcpy(self->in.spi, self->spi.bytes, self->spi.asked);
    }
}

/* Put the frames that the firmware has sent into the queue; those that do not fit are lost, as on
 * any adapter whose host does not read, and it says so when it is asked for its flags. */
static void send_frames(struct live *self, uint64_t now_us) {
    uint8_t line[SLCAN_LINE];
    for (uint32_t i = 0; i < self->out.frames; i++) {
        size_t size = slcan_say(&self->slcan, &self->out.frame[i], now_us, line);
        if (!queue_put(&self->to_can, line, size)) {
            self->slcan.flags |= SLCAN_QUEUE_FULL;
        }
    }
}

static void start_transfer(struct live *self) {
    uint8_t packet[SPI_WIRE_PACKET];
    const struct bms_out *out = &self->out;
    if (out->spi_bytes == 0) {
        return;
    }
    size_t size = spi_wire_ask(&self->spi, out->spi_select, out->spi, out->spi_bytes, packet);
    if (!queue_put(&self->to_spi, packet, size)) {
        /* nobody takes what is sent: no answer will come, and none may be counted as owed */
        spi_wire_reset(&self->spi);
    }
}

void live_run(struct live *self, uint64_t now_us) {
    bool is_time = now_us >= self->wake_us;
    if (!is_time && self->in.frames == 0 && self->in.spi_bytes == 0) {
        return;
    }
    if (is_time && self->in.spi_bytes == 0) {
        spi_wire_give_up(&self->spi);
    }
    bms_step(&self->bms, now_us, &self->in, &self->out);
    self->in.frames = 0;
    self->in.spi_bytes = 0;
    self->wake_us = self->out.wake_us;
    send_frames(self, now_us);
    start_transfer(self);
}
