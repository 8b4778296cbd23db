#include "e2e.h"

enum {
    POLYNOMIAL = 0x1D,
    DATA_ID = 0xB000, /* of identifier 0; see E2EDataId in the DBC */
    MAX_STEP = 7,     /* half the ring: a counter that moved on by more has moved backwards */
};

static uint8_t crc8(uint32_t crc, uint32_t byte) {
    crc ^= byte;
    for (int bit = 0; bit < 8; bit++) {
        crc = crc << 1 ^ (crc & 0x80u ? POLYNOMIAL : 0u);
    }
    return (uint8_t)crc;
}

static uint8_t crc_of(uint32_t id, const uint8_t *frame) {
    const uint32_t data_id = DATA_ID + id;
    uint8_t crc = crc8(crc8(0, data_id & 0xFF), data_id >> 8 & 0xFF);
    for (int i = 1; i < E2E_FRAME_BYTES; i++) {
        crc = crc8(crc, frame[i]);
    }
    return crc;
}

void e2e_seal(uint32_t id, uint8_t frame[E2E_FRAME_BYTES]) {
    frame[0] = crc_of(id, frame);
}

bool e2e_accept(struct e2e_receiver *self, uint32_t id, const uint8_t *frame, uint32_t length) {
    if (length != E2E_FRAME_BYTES || crc_of(id, frame) != frame[0]) {
        return false;
    }
    const uint8_t alive = frame[1] & 0x0F;
    if (alive >= E2E_ALIVE_COUNTS) {
        return false;
    }
    const int moved = (alive - self->alive + E2E_ALIVE_COUNTS) % E2E_ALIVE_COUNTS;
    const bool fits = !self->has_heard || (moved > 0 && moved <= MAX_STEP);
    self->alive = alive;
    self->has_heard = true;
    return fits;
}

uint8_t e2e_next(uint8_t alive) {
    return (uint8_t)((alive + 1) % E2E_ALIVE_COUNTS);
}
