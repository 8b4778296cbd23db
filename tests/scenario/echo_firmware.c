/* Firmware with the ABI of bms_lib.h whose every answer is plain, for the tests of the engine.
 *
 * It runs every 10 ms. It answers a frame with id + 1 and each byte + STEP, and once a period says
 * how often it has run and what the chip answered to "asked 4 bytes at select 1". What a frame with
 * the id of one of the commands asks for is what no firmware should do.
 */
#include "bms.h"

#include <string.h>

#ifndef STEP
#define STEP 1
#endif

enum { PERIOD_US = 10000, FLOOD = 0x7F0, HANG = 0x7F1, WIDE = 0x7F2, LONG = 0x7F3, GREEDY = 0x7F4 };

struct bms {
    uint64_t due_us;
    uint32_t runs;
    uint32_t calls;
    uint32_t hangs;
    uint8_t page_last;
    uint8_t answer[4];
};

uint32_t bms_lib_abi(void);
size_t bms_lib_size(void);
int bms_lib_init(void *self, uint64_t now_us, const uint8_t *page, size_t size);
void bms_lib_step(void *self, uint64_t now_us, const struct bms_in *in, struct bms_out *out);

uint32_t bms_lib_abi(void)
{
#ifdef OTHER_ABI
    return OTHER_ABI;
#else
    return 1;
#endif
}

size_t bms_lib_size(void)
{
#ifdef NO_SIZE
    return 0;
#else
    return sizeof(struct bms);
#endif
}

int bms_lib_init(void *self, uint64_t now_us, const uint8_t *page, size_t size)
{
    struct bms *bms = self;
    const uint8_t *memory = self;
    if (size == 0 || page[0] != 'B' || (uintptr_t)self % 16 != 0) {
        return 0;
    }
    for (size_t i = 0; i < sizeof *bms; i++) {
        if (memory[i] != 0xA5) { /* neither zeroes nor what was there before */
            return 0;
        }
    }
    memset(bms, 0, sizeof *bms);
    bms->due_us = now_us + PERIOD_US;
    bms->page_last = page[size - 1];
    return 1;
}

static void send(struct bms_out *out, uint32_t id, uint32_t length, const uint8_t *data)
{
    struct bms_frame *frame = &out->frame[out->frames++];
    frame->id = id;
    frame->length = length;
    memcpy(frame->data, data, sizeof frame->data);
}

static void answer(struct bms *bms, const struct bms_frame *frame, struct bms_out *out)
{
    uint8_t data[8];
    for (int i = 0; i < 8; i++) {
        data[i] = (uint8_t)(frame->data[i] + STEP);
    }
    if (frame->id == FLOOD) {
        out->frames = BMS_MAX_TX + 1;
    } else if (frame->id == HANG) {
        bms->hangs = 1;
    } else if (frame->id == GREEDY) {
        out->spi_bytes = BMS_MAX_SPI + 1;
    } else {
        send(out, frame->id == WIDE ? 0x800 : frame->id + 1, frame->id == LONG ? 9 : frame->length,
             data);
    }
}

void bms_lib_step(void *self, uint64_t now_us, const struct bms_in *in, struct bms_out *out)
{
    struct bms *bms = self;
    out->frames = 0;
    out->spi_bytes = 0;
    bms->calls++;
    for (uint32_t i = 0; i < in->frames; i++) {
        answer(bms, &in->frame[i], out);
    }
    if (in->spi_bytes == sizeof bms->answer) {
        memcpy(bms->answer, in->spi, sizeof bms->answer);
        bms->runs++;
        bms->due_us += PERIOD_US;
        const uint8_t said[8] = {(uint8_t)bms->runs,  bms->page_last,    bms->answer[0],
                                 bms->answer[1],      bms->answer[2],    bms->answer[3],
                                 (uint8_t)bms->calls, (uint8_t)(now_us / 1000)};
        send(out, 0x100, 8, said);
    } else if (now_us >= bms->due_us) {
        out->spi_bytes = sizeof bms->answer;
        out->spi_select = BMS_SHUNT;
        const uint8_t asked[4] = {'a', 's', 'k', (uint8_t)bms->runs};
        memcpy(out->spi, asked, sizeof asked);
    }
    out->wake_us = bms->hangs ? now_us : bms->due_us;
}
