/* Offsets are those of drivers/virtual/firmware_parameters.py, which writes the page. */
#include "params.h"

#include <string.h>

#include "bytes.h"
#include "chain.h"
#include "ltc6813.h"
#include "pec15.h"

enum {
    VERSION = 1,
    PEC_AT = PARAMS_SIZE - 2,
    FLAG_MUTES = 1,
    FLAG_BALANCES = 2,
};

static int16_t get_s16(const uint8_t *at) {
    return (int16_t)get_le16(at);
}

static struct threshold volts(const uint8_t *at) {
    return (struct threshold){get_le16(at), get_le16(at + 2)};
}

static struct threshold degrees(const uint8_t *at) {
    return (struct threshold){get_s16(at), get_s16(at + 2)};
}

/* What no shunt can show is as good as never. */
static int32_t milliamps(const uint8_t *at) {
    const uint32_t value = get_le32(at);
    return value > INT32_MAX ? INT32_MAX : (int32_t)value;
}

static bool is_whole(const uint8_t *page, size_t size) {
    static const uint8_t magic[] = {'B', 'M', 'S', 'P'};
    return size == PARAMS_SIZE && is_same(page, magic, sizeof magic) &&
           get_le16(page + 4) == VERSION && get_le16(page + 6) == PARAMS_SIZE &&
           get_le16(page + PEC_AT) == pec15(page, PEC_AT);
}

static void decode_thresholds(struct params *self, const uint8_t *page) {
    self->over_voltage = volts(page + 24);
    self->under_voltage = volts(page + 28);
    self->over_temperature = degrees(page + 32);
    self->under_temperature = degrees(page + 36);
    self->bleed_pause = degrees(page + 40);
    self->cold_charge_below = get_s16(page + 44);
    self->no_charge_below = get_s16(page + 46);
    self->over_current_ma = (struct threshold){milliamps(page + 48), milliamps(page + 52)};
    self->protection_delay_us = get_le32(page + 56);
    self->charge_limit = get_le16(page + 64);
    self->discharge_limit = get_le16(page + 66);
    self->cold_charge_limit = get_le16(page + 68);
}

static void decode_measurement(struct params *self, const uint8_t *page) {
    self->cells = page[12];
    self->cells_per_front_end = page[13];
    self->ntcs = page[14];
    self->mutes = page[15] & FLAG_MUTES;
    self->cycle_us = get_le32(page + 16);
    self->settle_us = get_le32(page + 20);
    self->open_wire_every = get_le16(page + 70);
    self->open_wire_threshold = get_le16(page + 72);
    self->shunt_nohm = get_le32(page + 80);
    for (size_t i = 0; i < NTC_POINTS; i++) {
        self->ntc_counts[i] = get_le16(page + 88 + 2 * i);
    }
}

static void decode_bleeding(struct params *self, const uint8_t *page) {
    self->balances = page[15] & FLAG_BALANCES;
    self->command_timeout_us = get_le32(page + 60);
    self->balance_start = get_le16(page + 74);
    self->balance_stop = get_le16(page + 76);
    self->balance_every_us = get_le32(page + 84);
}

/* Counts that do not fall would have two temperatures for one voltage. */
static bool falls(const uint16_t *counts) {
    for (size_t i = 1; i < NTC_POINTS; i++) {
        if (counts[i] >= counts[i - 1]) {
            return false;
        }
    }
    return true;
}

/* A threshold whose ends are the wrong way round would watch for the opposite (struct threshold). */
static bool are_thresholds_sound(const struct params *self) {
    const struct threshold *too_much[] = {&self->over_voltage, &self->over_temperature,
                                          &self->bleed_pause, &self->over_current_ma};
    for (size_t i = 0; i < sizeof too_much / sizeof *too_much; i++) {
        if (too_much[i]->release > too_much[i]->trip) {
            return false;
        }
    }
    return self->under_voltage.release > self->under_voltage.trip &&
           self->under_temperature.release > self->under_temperature.trip;
}

/* A cell set must fit into a cycle, every cell onto a front end, every NTC onto an input. */
static bool can_be(const struct params *self) {
    return self->front_ends <= MAX_FRONT_ENDS && self->cells <= MAX_CELLS &&
           self->ntcs <= NTCS_PER_FRONT_END * self->front_ends &&
           self->cycle_us > (uint64_t)self->settle_us + LTC6813_CELLS_US &&
           self->settle_us < CHAIN_ASLEEP_US && /* else they sleep through it */
           self->open_wire_every > 0 && self->shunt_nohm > 0 && falls(self->ntc_counts) &&
           are_thresholds_sound(self);
}

bool params_decode(struct params *self, const uint8_t *page, size_t size) {
    memset(self, 0, sizeof *self);
    if (!is_whole(page, size)) {
        return false;
    }
    self->serial = get_le32(page + 8);
    decode_measurement(self, page);
    decode_thresholds(self, page);
    decode_bleeding(self, page);
    const uint32_t each = self->cells_per_front_end;
    if (self->cells == 0 || each == 0 || each > MAX_CELLS_PER_FRONT_END) {
        return false;
    }
    self->front_ends = (uint8_t)((self->cells + each - 1) / each);
    return can_be(self);
}
