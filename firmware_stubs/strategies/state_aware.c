/* Bleeds by what the pack is doing: strongly when full, half the time in float, at a long rest only
 * above the knee, and never under load. hil/balancing/states.py has the reasons for each figure. */
#include "voltages.h"

enum doing { REST, CHARGE, DISCHARGE, FLOAT, FULL }; /* in this order: FLOAT and on is at the top */

/* Each threshold is wider for leaving a state than for entering it: noise must not make states. */
enum {
    ACTIVE_MA = CAPACITY_MA / 50,
    STILL_ACTIVE_MA = ACTIVE_MA / 2,
    LITTLE_MA = CAPACITY_MA / 10,
    STILL_LITTLE_MA = CAPACITY_MA / 100 * 12,
};
enum { TOP = 34000, STILL_TOP = 33750, NEARLY_FULL = 34400, STILL_FULL = 34200, KNEE = 33750 };
enum { DWELL_S = 60, RESTED_S = 3600 };

/* 0.1 mV. Fine is at half of both, but never below twice the board's error. */
enum {
    LEAST = 2 * BOARD_ERROR,
    STOP = LEAST > 50 ? LEAST : 50,
    START = STOP + 50,
    FINE_STOP = LEAST > 25 ? LEAST : 25,
    FINE_START = FINE_STOP + 25,
};

struct strategy {
    uint32_t bleeding;
    uint32_t since_s;
    uint32_t maybe_since_s;
    uint8_t doing;
    uint8_t maybe; /* what it may be now: it has to last before it counts */
    bool has_begun;
};

const size_t strategy_size = sizeof(struct strategy);

void strategy_start(struct strategy *self) {
    *self = (struct strategy){.doing = REST, .maybe = REST};
}

/* What this instant alone would say, with the hysteresis of the last. */
static enum doing looks_like(uint8_t doing, int32_t discharge_ma, uint16_t highest) {
    const int32_t charge_ma = -discharge_ma;
    const bool was_charging = doing == FULL || doing == CHARGE;
    const bool is_charging = charge_ma > (was_charging ? STILL_ACTIVE_MA : ACTIVE_MA);
    const bool is_full = highest > (doing == FULL ? STILL_FULL : NEARLY_FULL);
    const bool is_little = charge_ma < (doing == FULL ? STILL_LITTLE_MA : LITTLE_MA);
    if (discharge_ma > (doing == DISCHARGE ? STILL_ACTIVE_MA : ACTIVE_MA)) {
        return DISCHARGE;
    }
    if (is_charging) {
        return is_full && is_little ? FULL : CHARGE;
    }
    return highest > (doing >= FLOAT ? STILL_TOP : TOP) ? FLOAT : REST;
}

static void detect(struct strategy *self, const struct observation *seen) {
    const uint16_t highest = voltages_highest(seen->cells);
    uint8_t looks = self->doing; /* the unknown leaves it as it was */
    if (seen->milliamps != UNKNOWN_CURRENT && highest != 0) {
        looks = (uint8_t)looks_like(self->doing, seen->milliamps, highest);
    }
    if (looks != self->maybe || !self->has_begun) {
        self->maybe_since_s = seen->time_s;
    }
    self->maybe = looks;
    const bool has_lasted = seen->time_s - self->maybe_since_s >= DWELL_S;
    if (!self->has_begun || (looks != self->doing && has_lasted)) {
        self->doing = looks;
        self->since_s = self->maybe_since_s;
    }
    self->has_begun = true;
}

/* Who may be bled in float, and at a long rest. */
static uint32_t gentle(const struct strategy *self, const struct observation *seen) {
    const bool has_rested = self->doing == REST && seen->time_s - self->since_s >= RESTED_S;
    return self->doing == FLOAT || has_rested ? voltages_above(seen->cells, KNEE) : 0;
}

struct decision strategy_step(struct strategy *self, const struct observation *seen) {
    detect(self, seen);
    const bool is_full = self->doing == FULL;
    if (seen->milliamps == UNKNOWN_CURRENT) {
        self->bleeding = 0;
    } else if (is_full) {
        self->bleeding = voltages_above_lowest(self->bleeding, seen->cells, START, STOP);
    } else {
        self->bleeding = gentle(self, seen) & voltages_above_lowest(self->bleeding, seen->cells,
                                                                    FINE_START, FINE_STOP);
    }
    return (struct decision){self->bleeding, is_full ? 100 : 50, false};
}
