/* Random bytes for the firmware, under the sanitizers: a libFuzzer target.
 *
 * Bytes drawn at random would end at the first check (a page's PEC, a frame's CRC), so most are put
 * into messages that pass it: a parameter page that is sealed anew, frames with CRC and counter,
 * chips' answers with their PECs. The rest goes in as it is. Whatever comes, the firmware may not
 * step outside its memory, compute what C leaves undefined, or ask for more than a port can give.
 */
#include <stdlib.h>
#include <string.h>

#include "bms.h"
#include "bms_state.h"
#include "e2e.h"
#include "params.h"
#include "pec15.h"

enum {
    STEPS = 1000,     /* of one input: dozens of cycles */
    GROUP = 8,        /* a register group with its PEC */
    COMMAND = 4,      /* a command with its PEC */
    PEC_AT = 154,     /* in the parameter page */
    HARD_PAGE = 0xC0, /* of the first byte: from here on the page is changed */
};

/* What is left of the input; behind its end there are zeros. */
struct source {
    const uint8_t *bytes;
    size_t size;
};

static uint8_t next(struct source *source) {
    if (source->size == 0) {
        return 0;
    }
    source->size--;
    return *source->bytes++;
}

static void fill(struct source *source, uint8_t *bytes, size_t size) {
    for (size_t k = 0; k < size; k++) {
        bytes[k] = next(source);
    }
}

static void put16(uint8_t *at, uint32_t value) {
    at[0] = (uint8_t)value;
    at[1] = (uint8_t)(value >> 8);
}

static void put32(uint8_t *at, uint32_t value) {
    put16(at, value & 0xFFFFu);
    put16(at + 2, value >> 16);
}

/* A board of 16 cells that any firmware must accept; then a few of its bytes may be changed. Returns
 * whether none was. */
static bool make_page(struct source *source, uint8_t page[PARAMS_SIZE]) {
    static const uint16_t limits[] = {36500, 35000, 25000, 28000, 650,     600,    65336, 65386,
                                      850,   750,   50,    0};
    const uint8_t how = next(source);
    memset(page, 0, PARAMS_SIZE);
    memcpy(page, "BMSP", 4);
    put16(page + 4, 1);
    put16(page + 6, PARAMS_SIZE);
    page[12] = 16;
    page[13] = 16;
    page[14] = 4;
    page[15] = 3;
    put32(page + 16, 100000);
    put32(page + 20, 1000);
    for (size_t k = 0; k < sizeof limits / sizeof *limits; k++) {
        put16(page + 24 + 2 * k, limits[k]);
    }
    put32(page + 48, 120000);
    put32(page + 52, 100000);
    put32(page + 56, 1000000);
    put32(page + 60, 3000000);
    put16(page + 64, 1000);
    put16(page + 66, 1000);
    put16(page + 68, 100);
    put16(page + 70, 5);
    put16(page + 72, 2000);
    put16(page + 74, 500);
    put16(page + 76, 300);
    put32(page + 80, 500000);
    put32(page + 84, 1000000);
    for (uint32_t k = 0; k < NTC_POINTS; k++) {
        put16(page + 88 + 2 * k, 32000 - 900 * k);
    }
    for (int changes = how & 7; changes > 0 && how >= HARD_PAGE; changes--) {
        const size_t at = next(source) % PEC_AT;
        page[at] = next(source);
    }
    put16(page + PEC_AT, pec15(page, PEC_AT));
    return how < HARD_PAGE;
}

static void make_frame(struct source *source, struct bms_frame *frame, uint8_t *alive) {
    static const uint32_t ids[] = {0x0C0, 0x0D0, 0x0C0, 0x100};
    const uint8_t how = next(source);
    frame->id = ids[how & 3];
    frame->length = 8;
    fill(source, frame->data, sizeof frame->data);
    if (how & 0x10) {
        frame->length = next(source);
        frame->id = (uint32_t)next(source) << 3;
        return;
    }
    if (!(how & 0x20)) {
        *alive = e2e_next(*alive);
        frame->data[1] = (uint8_t)((frame->data[1] & 0xF0) | *alive);
    }
    e2e_seal(frame->id, frame->data);
}

/* What comes in while a transfer goes out: mostly groups with their PECs, so that cycles go on to
 * their end; at times nothing, too much or too little, what a dead chip gives, or anything. */
static void make_answer(struct source *source, const struct bms_out *out, struct bms_in *in) {
    const uint8_t how = next(source);
    in->spi_bytes = out->spi_bytes;
    memset(in->spi, 0xFF, sizeof in->spi);
    if (how < 0xE8) {
        const uint32_t level = next(source) * 160u; /* words of 0 to 4.08 V, and a bit between them */
        for (size_t at = COMMAND; at + GROUP <= sizeof in->spi; at += GROUP) {
            for (uint32_t word = 0; word < 3; word++) {
                put16(in->spi + at + 2 * word, level + (how & 7u) * 300u * word);
            }
            const uint16_t pec = pec15(in->spi + at, 6);
            in->spi[at + 6] = (uint8_t)(pec >> 8);
            in->spi[at + 7] = (uint8_t)pec;
        }
    } else if (how < 0xF0) {
        fill(source, in->spi, in->spi_bytes);
    } else if (how < 0xF4) {
        in->spi_bytes = next(source) % (BMS_MAX_SPI + 1);
    } else if (how < 0xF8) {
        in->spi_bytes = 0;
    }
}

static void check(const struct bms_out *out, uint64_t now_us) {
    if (out->frames > BMS_MAX_TX || out->spi_bytes > BMS_MAX_SPI || out->spi_select > BMS_SHUNT ||
        out->wake_us < now_us) {
        abort();
    }
    for (uint32_t k = 0; k < out->frames; k++) {
        if (out->frame[k].length > 8 || out->frame[k].id > 0x7FF) {
            abort();
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct bms board;
    static struct bms_in in;
    static struct bms_out out;
    struct source source = {data, size};
    uint8_t page[PARAMS_SIZE];
    uint8_t alive = 0;
    uint64_t now_us = (uint64_t)next(&source) << (next(&source) % 56);

    const bool is_right = make_page(&source, page);
    memset(&in, 0, sizeof in);
    memset(&out, 0, sizeof out);
    if (!bms_init(&board, now_us, page, sizeof page) && is_right) {
        abort(); /* a board without its page does nothing: there would be nothing to fuzz */
    }
    for (int k = 0; k < STEPS && source.size > 0; k++) {
        const uint8_t how = next(&source);
        in.frames = how >= 0xC0 ? how & 3u : 0;
        for (uint32_t frame = 0; frame < in.frames; frame++) {
            make_frame(&source, &in.frame[frame], &alive);
        }
        in.spi_bytes = 0;
        if (out.spi_bytes != 0 && (how & 0x1F) != 0x08) {
            make_answer(&source, &out, &in);
        } else if ((how & 0x0F) == 0x07) {
            now_us += next(&source);
        } else if (out.wake_us != UINT64_MAX) {
            now_us = out.wake_us > now_us ? out.wake_us : now_us;
        }
        bms_step(&board, now_us, &in, &out);
        check(&out, now_us);
    }
    return 0;
}
