/* Values are on the wire as they are in the board (0.1 mV, 0.1 degC, mA, 1/200): nothing is rounded
 * twice. The layout of every frame is that of reference_board.dbc.
 */
#include "telemetry.h"

#include <string.h>

#include "bytes.h"
#include "commands.h"
#include "e2e.h"
#include "thermistor.h"

enum {
    ID_FAULTS = 0x100,
    ID_CELL_VOLTAGES = 0x110, /* of front end 1; those of the others follow */
    ID_PACK_STATUS = 0x120,
    ID_TEMPERATURES = 0x130,
    ID_LIMITS = 0x140,
    ID_BLEED_STATE = 0x150,
    ID_IDENTITY = 0x160,

    WORDS_A_PAGE = 3,
    CELLS_A_FAULT_PAGE = 16,
    WIRE_UNKNOWN_CURRENT = -0x800000, /* the one value that no shunt gives */
};

enum { FIRMWARE_MAJOR = 2, FIRMWARE_MINOR = 0, FIRMWARE_PATCH = 0 };

/* Begin a frame; its six bytes of data are zero. Returns NULL when the call has no room for more:
 * then its counter stays, and no host sees a gap that is none. */
static uint8_t *begin(struct bms_out *out, uint32_t id, const uint8_t *alive, uint32_t page) {
    if (out->frames == BMS_MAX_TX) {
        return NULL;
    }
    struct bms_frame *frame = &out->frame[out->frames];
    memset(frame, 0, sizeof *frame);
    frame->id = id;
    frame->length = E2E_FRAME_BYTES;
    frame->data[1] = (uint8_t)(*alive | page << 4);
    return frame->data;
}

static void send(struct bms_out *out, uint8_t *alive) {
    struct bms_frame *frame = &out->frame[out->frames++];
    e2e_seal(frame->id, frame->data);
    *alive = e2e_next(*alive);
}

static void send_words(struct bms_out *out, uint32_t id, uint8_t *alive, uint32_t page,
                       const uint16_t words[WORDS_A_PAGE]) {
    uint8_t *frame = begin(out, id, alive, page);
    if (frame) {
        for (uint32_t i = 0; i < WORDS_A_PAGE; i++) {
            put_le16(frame + 2 + 2 * i, words[i]);
        }
        send(out, alive);
    }
}

/* Cut values into pages, the last one filled up: frames are always eight bytes long. */
static void send_pages(struct bms_out *out, uint32_t id, uint8_t *alive, const uint16_t *values,
                       uint32_t count, uint16_t filler) {
    for (uint32_t first = 0; first < count; first += WORDS_A_PAGE) {
        uint16_t words[WORDS_A_PAGE];
        for (uint32_t i = 0; i < WORDS_A_PAGE; i++) {
            words[i] = first + i < count ? values[first + i] : filler;
        }
        send_words(out, id, alive, first / WORDS_A_PAGE, words);
    }
}

void telemetry_cells(struct telemetry *self, struct bms_out *out, const struct params *params,
                     const struct readings *readings) {
    const uint32_t each = params->cells_per_front_end;
    for (uint32_t chip = 0; chip < params->front_ends; chip++) {
        const uint32_t first = chip * each;
        const uint32_t rest = params->cells - first;
        send_pages(out, ID_CELL_VOLTAGES + chip, &self->cells[chip], readings->cells + first,
                   rest < each ? rest : each, UNKNOWN_VOLTAGE);
    }
}

void telemetry_temperatures(struct telemetry *self, struct bms_out *out,
                            const struct params *params, const struct readings *readings) {
    uint16_t values[1 + MAX_NTCS] = {(uint16_t)readings->pcb};
    for (uint32_t ntc = 0; ntc < params->ntcs; ntc++) {
        values[1 + ntc] = (uint16_t)readings->ntcs[ntc];
    }
    send_pages(out, ID_TEMPERATURES, &self->temperatures, values, 1u + params->ntcs,
               (uint16_t)UNKNOWN_TEMPERATURE);
}

void telemetry_bleeds(struct telemetry *self, struct bms_out *out, const struct params *params,
                      const uint8_t *duty) {
    for (uint32_t first = 0; first < params->cells; first += DUTIES_A_PAGE) {
        uint8_t *frame = begin(out, ID_BLEED_STATE, &self->bleeds, first / DUTIES_A_PAGE);
        if (frame) {
            const uint32_t rest = params->cells - first;
            memcpy(frame + 2, duty + first, rest < DUTIES_A_PAGE ? rest : DUTIES_A_PAGE);
            send(out, &self->bleeds);
        }
    }
}

void telemetry_status(struct telemetry *self, struct bms_out *out, const struct status *status) {
    const int32_t ma =
        status->milliamps == UNKNOWN_CURRENT ? WIRE_UNKNOWN_CURRENT : status->milliamps;
    const uint32_t bits = (uint32_t)ma;
    const uint32_t high = (bits >> 16 & 0xFF) | (uint32_t)status->state << 8 |
                          (uint32_t)status->charge_allowed << 12 |
                          (uint32_t)status->discharge_allowed << 13;
    const uint16_t words[] = {(uint16_t)bits, (uint16_t)high, (uint16_t)status->cycle};
    send_words(out, ID_PACK_STATUS, &self->status, 0, words);
}

void telemetry_faults(struct telemetry *self, struct bms_out *out, const struct params *params,
                      const struct outcome *outcome, uint32_t flags, uint32_t rejected) {
    const uint16_t count = (uint16_t)(rejected < UINT16_MAX ? rejected : UINT16_MAX);
    const uint16_t board[] = {(uint16_t)flags, 0, count};
    send_words(out, ID_FAULTS, &self->faults, 0, board);
    for (uint32_t first = 0; first < params->cells; first += CELLS_A_FAULT_PAGE) {
        const uint16_t cells[] = {(uint16_t)(outcome->over_voltage >> first),
                                  (uint16_t)(outcome->under_voltage >> first),
                                  (uint16_t)(outcome->open_wire >> first)};
        send_words(out, ID_FAULTS, &self->faults, 1 + first / CELLS_A_FAULT_PAGE, cells);
    }
}

void telemetry_limits(struct telemetry *self, struct bms_out *out, const struct outcome *outcome) {
    const uint16_t words[] = {outcome->charge_limit, outcome->discharge_limit, 0};
    send_words(out, ID_LIMITS, &self->limits, 0, words);
}

void telemetry_identity(struct telemetry *self, struct bms_out *out, const struct params *params) {
    uint8_t *make = begin(out, ID_IDENTITY, &self->identity, 0);
    if (make) {
        put_le32(make + 2, params->serial);
        make[6] = params->cells;
        make[7] = params->cells_per_front_end;
        send(out, &self->identity);
    }
    const uint8_t version[] = {FIRMWARE_MAJOR, FIRMWARE_MINOR, FIRMWARE_PATCH, params->ntcs};
    uint8_t *firmware = begin(out, ID_IDENTITY, &self->identity, 1);
    if (firmware) {
        memcpy(firmware + 2, version, sizeof version);
        send(out, &self->identity);
    }
}
