/* One rule for all thresholds (update), then one place where all of them meet
 * (protections_outcome): what is allowed can be read off there, and nowhere else.
 */
#include "protection.h"

#include <string.h>

#include "thermistor.h"

static bool is_beyond(int32_t value, int32_t limit, bool too_much) {
    return too_much ? value >= limit : value <= limit;
}

/* A value changes its state only after it has asked for it without a break for the delay. */
static void update(struct watch *self, struct threshold threshold, uint64_t delay_us, int32_t value,
                   uint64_t now_us) {
    /* the same test with both ends swapped leads back: a hysteresis has two sides, not two rules */
    const bool too_much = threshold.release <= threshold.trip;
    const bool wants = self->is_active ? is_beyond(value, threshold.release, !too_much)
                                       : is_beyond(value, threshold.trip, too_much);
    if (!wants) {
        self->is_waiting = false;
        return;
    }
    if (!self->is_waiting) {
        self->is_waiting = true;
        self->since_us = now_us;
    }
    if (now_us - self->since_us >= delay_us) {
        self->is_active = !self->is_active;
        self->is_waiting = false;
    }
}

/* What is not known neither trips nor releases. It is no sign that a fault is over: a bus that loses
 * a reading now and then must not keep a protection from tripping for ever. */
static void miss(struct watch *self) {
    self->is_waiting = self->is_waiting && !self->is_active;
}

void protections_init(struct protections *self, const struct params *params) {
    memset(self, 0, sizeof *self);
    self->cold_limit = params->charge_limit;
}

void protections_check_cells(struct protections *self, const struct params *params,
                             const struct readings *readings, uint64_t now_us) {
    const uint64_t delay_us = params->protection_delay_us;
    for (uint32_t cell = 0; cell < params->cells; cell++) {
        const uint16_t counts = readings->cells[cell];
        if (counts == UNKNOWN_VOLTAGE) {
            miss(&self->over_voltage[cell]);
            miss(&self->under_voltage[cell]);
            continue;
        }
        update(&self->over_voltage[cell], params->over_voltage, delay_us, counts, now_us);
        update(&self->under_voltage[cell], params->under_voltage, delay_us, counts, now_us);
    }
    if (readings->milliamps != UNKNOWN_CURRENT) {
        const int32_t ma = readings->milliamps;
        const int32_t magnitude_ma = ma < 0 ? -ma : ma;
        update(&self->over_current, params->over_current_ma, delay_us, magnitude_ma, now_us);
    } else {
        miss(&self->over_current);
    }
}

/* The charge current that the coldest known cell allows; no NTC known, no restriction. */
static uint16_t cold_limit(const struct params *params, int32_t coldest) {
    return coldest < params->no_charge_below     ? 0
           : coldest < params->cold_charge_below ? params->cold_charge_limit
                                                 : params->charge_limit;
}

void protections_check_heat(struct protections *self, const struct params *params,
                            const struct readings *readings, uint32_t failed, uint64_t now_us) {
    const uint64_t delay_us = params->protection_delay_us;
    const struct threshold is_lost = {.trip = 1, .release = 0};
    int32_t coldest = INT32_MAX;
    for (uint32_t ntc = 0; ntc < params->ntcs; ntc++) {
        const int16_t degc = readings->ntcs[ntc];
        /* what a front end does not read says nothing of an NTC */
        if (failed >> ntc / NTCS_PER_FRONT_END & 1) {
            miss(&self->lost_ntc[ntc]);
        } else {
            update(&self->lost_ntc[ntc], is_lost, delay_us, degc == UNKNOWN_TEMPERATURE, now_us);
        }
        if (degc == UNKNOWN_TEMPERATURE) {
            miss(&self->over_temperature[ntc]);
            miss(&self->under_temperature[ntc]);
            continue;
        }
        coldest = degc < coldest ? degc : coldest;
        update(&self->over_temperature[ntc], params->over_temperature, delay_us, degc, now_us);
        update(&self->under_temperature[ntc], params->under_temperature, delay_us, degc, now_us);
    }
    if (!readings->has_pcb) {
        /* a board that cannot feel its own heat makes none */
        update(&self->bleed_pause, params->bleed_pause, 0, INT16_MAX, now_us);
    } else if (readings->pcb != UNKNOWN_TEMPERATURE) {
        update(&self->bleed_pause, params->bleed_pause, 0, readings->pcb, now_us);
    }
    self->cold_limit = cold_limit(params, coldest);
}

static uint64_t active(const struct watch *watches, uint32_t count) {
    uint64_t bits = 0;
    for (uint32_t i = 0; i < count; i++) {
        bits |= (uint64_t)watches[i].is_active << i;
    }
    return bits;
}

static uint64_t open_wires(const struct protections *self, uint32_t cells) {
    uint64_t bits = 0;
    for (uint32_t lead = 0; lead < cells; lead++) {
        bits |= (uint64_t)self->open_leads[lead] << lead;
    }
    return bits;
}

static uint16_t flags(bool hot, bool cold, bool lost, const struct protections *self,
                      bool top_is_open, uint32_t silent) {
    /* a pause of the bleeds is no fault of the pack, yet the host must know why its duty is not
     * obeyed */
    return (uint16_t)((hot ? FLAG_OVER_TEMPERATURE : 0u) | (cold ? FLAG_UNDER_TEMPERATURE : 0u) |
                      (lost ? FLAG_NTC_LOST : 0u) |
                      (self->over_current.is_active ? FLAG_OVER_CURRENT : 0u) |
                      (self->bleed_pause.is_active ? FLAG_BLEED_PAUSED : 0u) |
                      (top_is_open ? FLAG_TOP_LEAD_OPEN : 0u) | FLAG_FRONT_END_1_SILENT * silent);
}

struct outcome protections_outcome(const struct protections *self, const struct params *params,
                                   uint32_t silent, bool knows_current) {
    const bool top_is_open = self->open_leads[params->cells];
    const bool hot = active(self->over_temperature, params->ntcs) != 0;
    const bool cold = active(self->under_temperature, params->ntcs) != 0;
    const uint64_t lost = active(self->lost_ntc, params->ntcs);
    /* cells whose heat nobody sees may not be charged; with no NTC left, nothing is seen at all */
    const bool is_blind = params->ntcs > 0 && lost + 1 == (uint64_t)1 << params->ntcs;
    struct outcome outcome = {
        .over_voltage = active(self->over_voltage, params->cells),
        .under_voltage = active(self->under_voltage, params->cells),
        .open_wire = open_wires(self, params->cells),
        .flags = flags(hot, cold, lost != 0, self, top_is_open, silent),
    };
    const bool has_open_lead = outcome.open_wire != 0 || top_is_open;
    /* a current that cannot be watched is not allowed to flow */
    const bool stops =
        silent != 0 || hot || self->over_current.is_active || has_open_lead || !knows_current ||
        is_blind;
    const bool over = outcome.over_voltage != 0, under = outcome.under_voltage != 0;
    outcome.charge_limit = stops || over || cold || lost != 0 ? 0 : self->cold_limit;
    outcome.discharge_limit = stops || under ? 0 : params->discharge_limit;
    /* it must see its cells and be cool enough */
    outcome.may_bleed = silent == 0 && !self->bleed_pause.is_active && !has_open_lead;
    outcome.has_fault = over || under || has_open_lead || !knows_current;
    return outcome;
}
