#include "ina229.h"

#include <string.h>

#include "bytes.h"

enum {
    VSHUNT = 0x04,
    DEVICE_ID = 0x3F,
    DEVICE = 0x229, /* above four bits of revision */
    PICOVOLT_PER_COUNT = 312500,
    MAX_MILLIAMPS = 0x7FFFFF,
};

static uint32_t read_register(uint8_t *out, uint32_t address, uint32_t bytes) {
    memset(out, 0, 1 + bytes);
    out[0] = (uint8_t)(address << 2 | 1);
    return 1 + bytes;
}

uint32_t ina229_read_shunt(uint8_t *out) {
    return read_register(out, VSHUNT, 3);
}

bool ina229_shunt(const uint8_t *answer, int32_t *counts) {
    const uint32_t bits = (uint32_t)answer[1] << 16 | (uint32_t)answer[2] << 8 | answer[3];
    const int32_t value = (int32_t)(bits >> 4);
    *counts = value - (value & 0x80000 ? 0x100000 : 0);
    return (bits & 0x0F) == 0; /* the chip sends zeros there, an open line ones */
}

uint32_t ina229_read_identity(uint8_t *out) {
    return read_register(out, DEVICE_ID, 2);
}

bool ina229_is_there(const uint8_t *answer) {
    return get_be16(answer + 1) >> 4 == DEVICE;
}

int32_t ina229_milliamps(int32_t counts, uint32_t shunt_nohm) {
    const int64_t picovolt = (int64_t)counts * PICOVOLT_PER_COUNT;
    /* pV over nOhm is mA; division cuts towards zero, so half a count goes away from it */
    const int64_t half = (int64_t)(shunt_nohm / 2);
    const int64_t ma = (picovolt + (picovolt < 0 ? -half : half)) / (int64_t)shunt_nohm;
    return ma > MAX_MILLIAMPS    ? MAX_MILLIAMPS
           : ma < -MAX_MILLIAMPS ? -MAX_MILLIAMPS
                                 : (int32_t)ma;
}
