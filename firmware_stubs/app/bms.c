/* The door of the firmware: hear, go on with the program that is under way, start what is due.
 *
 * Three programs share one bus, one at a time. A cycle that is late finds its number by division,
 * so nothing that held it up can shift the ones after it.
 */
#include "bms.h"

#include <string.h>

#include "bms_state.h"
#include "chain.h"
#include "cycle.h"

bool bms_init(struct bms *self, uint64_t now_us, const uint8_t *page, size_t size) {
    memset(self, 0, sizeof *self);
    self->powered_us = now_us;
    self->now_us = now_us;
    self->connected_us = UINT64_MAX;
    self->is_running = params_decode(&self->params, page, size);
    if (self->is_running) {
        protections_init(&self->protections, &self->params);
        self->commands.has_host = !self->params.balances;
    }
    return self->is_running;
}

static uint64_t earlier(uint64_t one, uint64_t other) {
    return one < other ? one : other;
}

/* Start what is due, the most urgent first; false, with the time of the next call, if nothing is.
 *
 * A board that was held up goes on with the cycle that should be running now: cycles are counted
 * from power-up, and one that nobody saw is left out. */
static bool start_what_is_due(struct bms *self, struct bms_out *out) {
    const uint64_t number = bms_since_power_up(self) / self->params.cycle_us;
    const uint64_t ends_us = bleeds_next_end_us(&self->bleeds, &self->params);
    const uint64_t alive_us =
        chain_bleeds(self) ? self->chain.heard_us + CHAIN_KEEP_ALIVE_US : UINT64_MAX;
    if (number > self->cycle) {
        cycle_start(self, number);
    } else if (self->now_us >= ends_us) {
        cycle_end_bleeds(self);
    } else if (self->now_us >= alive_us) {
        cycle_keep_alive(self);
    } else {
        const uint64_t next_us = self->powered_us + (self->cycle + 1) * self->params.cycle_us;
        out->wake_us = earlier(next_us, earlier(ends_us, alive_us));
        return false;
    }
    return true;
}

static void hear(struct bms *self, const struct bms_in *in) {
    for (uint32_t i = 0; i < in->frames && i < BMS_MAX_RX; i++) {
        commands_hear(&self->commands, &self->params, &in->frame[i], self->now_us);
    }
}

void bms_step(struct bms *self, uint64_t now_us, const struct bms_in *in, struct bms_out *out) {
    out->wake_us = UINT64_MAX;
    out->frames = 0;
    out->spi_bytes = 0;
    out->spi_select = 0;
    out->reserved = 0;
    if (!self->is_running) {
        return;
    }
    self->now_us = now_us > self->now_us ? now_us : self->now_us;
    hear(self, in);
    while (program_run(self, in, out)) {
        if (!start_what_is_due(self, out)) {
            return;
        }
    }
}
