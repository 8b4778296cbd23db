/* In counts throughout: 50 mV above 3.3 V is exact here, and on the edge in volts. */
#include "balancing.h"

static uint32_t lowest(const struct readings *readings, uint32_t cells) {
    uint32_t found = UNKNOWN_VOLTAGE;
    for (uint32_t cell = 0; cell < cells; cell++) {
        found = readings->cells[cell] < found ? readings->cells[cell] : found;
    }
    return found;
}

static uint64_t decided(uint64_t bleeding, const struct params *params,
                        const struct readings *readings) {
    const uint32_t floor = lowest(readings, params->cells);
    uint64_t result = 0;
    for (uint32_t cell = 0; cell < params->cells; cell++) {
        if (readings->cells[cell] == UNKNOWN_VOLTAGE) {
            continue;
        }
        const uint32_t excess = readings->cells[cell] - floor;
        const bool goes_on = (bleeding >> cell & 1) && excess >= params->balance_stop;
        const bool bleeds = excess > params->balance_start || goes_on;
        result |= (uint64_t)bleeds << cell;
    }
    return result;
}

void balancing_restart(struct balancing *self) {
    self->bleeding = 0;
    self->due_us = 0;
}

void balancing_run(struct balancing *self, const struct params *params,
                   const struct readings *readings, uint64_t now_us) {
    if (now_us < self->due_us) {
        return;
    }
    /* from the time that was due, not from now: a cycle's rounding must not add up */
    const uint64_t next_us = self->due_us + params->balance_every_us;
    self->due_us = next_us > now_us && self->due_us ? next_us : now_us + params->balance_every_us;
    self->bleeding = decided(self->bleeding, params, readings);
}
