#include "ltc6813.h"

#include <stddef.h>
#include <string.h>

#include "bytes.h"
#include "defects.h"
#include "pec15.h"

enum {
    COMMAND_BYTES = 4,
    PACKET_BYTES = LTC6813_GROUP_BYTES + 2,
    GPIO_1_TO_5_OPEN = 0xF8, /* a 1 switches the pull-down off: these pins are analog inputs */
    GPIO_6_TO_9_OPEN = 0x0F,
    REFERENCE_ON = 0x04, /* kept on: else each conversion waits 4.4 ms for it */
    DCC_13_TO_16 = 0xF0,
    DCC_17_TO_18 = 0x03,
};

uint16_t ltc6813_rdcv(uint32_t group) {
    static const uint16_t codes[] = {0x004, 0x006, 0x008, 0x00A, 0x009, 0x00B};
    return codes[group];
}

uint16_t ltc6813_rdaux(uint32_t group) {
    static const uint16_t codes[] = {0x00C, 0x00E, 0x00D, 0x00F};
    return codes[group];
}

uint32_t ltc6813_command(uint8_t *out, uint16_t code) {
    put_be16(out, code);
    put_be16(out + 2, pec15(out, 2));
    return COMMAND_BYTES;
}

uint32_t ltc6813_read(uint8_t *out, uint16_t code, uint32_t chips) {
    ltc6813_command(out, code);
    memset(out + COMMAND_BYTES, 0xFF, PACKET_BYTES * chips);
    return COMMAND_BYTES + PACKET_BYTES * chips;
}

void ltc6813_put(uint8_t *out, uint32_t chips, uint32_t chip, const uint8_t *group) {
    /* each chip passes on what it had before: what goes out first ends up in the last one */
    uint8_t *packet = out + COMMAND_BYTES + PACKET_BYTES * (chips - 1 - chip);
    memcpy(packet, group, LTC6813_GROUP_BYTES);
    put_be16(packet + LTC6813_GROUP_BYTES, pec15(group, LTC6813_GROUP_BYTES));
}

const uint8_t *ltc6813_get(const uint8_t *answer, uint32_t chip) {
    const uint8_t *packet = answer + COMMAND_BYTES + PACKET_BYTES * chip;
    const uint16_t pec = get_be16(packet + LTC6813_GROUP_BYTES);
    return pec == pec15(packet, LTC6813_GROUP_BYTES) || defect_believes_all() ? packet : NULL;
}

void ltc6813_config_a(uint8_t *group, uint32_t dcc) {
    memset(group, 0, LTC6813_GROUP_BYTES);
    group[0] = GPIO_1_TO_5_OPEN | REFERENCE_ON;
    group[4] = (uint8_t)dcc;
    group[5] = dcc >> 8 & 0x0F; /* the timer above it stays off: the watchdog ends all bleeds */
}

void ltc6813_config_b(uint8_t *group, uint32_t dcc) {
    memset(group, 0, LTC6813_GROUP_BYTES);
    group[0] = (uint8_t)((dcc >> 12 & 0x0F) << 4 | GPIO_6_TO_9_OPEN);
    group[1] = dcc >> 16 & DCC_17_TO_18;
}

bool ltc6813_is_config_a(const uint8_t *group, uint32_t dcc) {
    uint8_t written[LTC6813_GROUP_BYTES];
    ltc6813_config_a(written, dcc);
    return (group[0] & REFERENCE_ON) && is_same(group + 1, written + 1, sizeof written - 1);
}

bool ltc6813_is_config_b(const uint8_t *group, uint32_t dcc) {
    uint8_t written[LTC6813_GROUP_BYTES];
    ltc6813_config_b(written, dcc);
    return ((group[0] ^ written[0]) & DCC_13_TO_16) == 0 &&
           ((group[1] ^ written[1]) & DCC_17_TO_18) == 0;
}
