/* A bleed is a time, not a switch: when it ends is known when it begins, so that nobody has to look
 * in between. The switches follow from the times whenever they are written.
 */
#include "bleeds.h"

#include <string.h>

#include "commands.h"
#include "defects.h"

static uint64_t until_us(const struct params *params, uint32_t duty, uint64_t now_us,
                         uint64_t next_cycle_us) {
    if (duty == 0) {
        return 0;
    }
    const uint64_t window_us = params->cycle_us - (params->mutes ? params->settle_us : 0u);
    const uint64_t end_us = now_us + window_us * duty / DUTY_COUNTS;
    return end_us < next_cycle_us ? end_us : BLEEDS_NEVER;
}

bool bleeds_decide(struct bleeds *self, const struct params *params, const uint8_t *duty,
                   uint64_t now_us, uint64_t next_cycle_us) {
    bool changed = false;
    for (uint32_t cell = 0; cell < params->cells; cell++) {
        changed |= self->duty[cell] != duty[cell];
        self->duty[cell] = duty[cell];
        self->until_us[cell] = until_us(params, duty[cell], now_us, next_cycle_us);
    }
    return changed;
}

uint64_t bleeds_next_end_us(const struct bleeds *self, const struct params *params) {
    uint64_t next_us = BLEEDS_NEVER;
    for (uint32_t cell = 0; cell < params->cells; cell++) {
        const uint64_t end_us = self->until_us[cell];
        next_us = end_us != 0 && end_us < next_us ? end_us : next_us;
    }
    return next_us;
}

void bleeds_end(struct bleeds *self, const struct params *params, uint64_t now_us) {
    for (uint32_t cell = 0; cell < params->cells; cell++) {
        if (self->until_us[cell] <= now_us) {
            self->until_us[cell] = 0;
        }
    }
}

void bleeds_switches(const struct bleeds *self, const struct params *params,
                     uint64_t since_power_up_us, uint32_t dcc[MAX_FRONT_ENDS]) {
    const uint32_t each = params->cells_per_front_end;
    memset(dcc, 0, MAX_FRONT_ENDS * sizeof *dcc);
    for (uint32_t cell = 0; cell < params->cells; cell++) {
        if (defect_cell_is_on(self->until_us, cell, since_power_up_us)) {
            dcc[cell / each] |= 1u << cell % each;
        }
    }
}
