/* What is sent to the front ends is sent to all of them at once, and each answers with a check of
 * its own: so each fails on its own, and a read goes on for those that have not.
 *
 * Configuration is written when it differs from what was written last, not in each cycle: two
 * transfers less in most of them. That it is still there, a look once a second says.
 */
#include "chain.h"

#include <string.h>

#include "bms_state.h"
#include "ltc6813.h"

enum {
    IN_A = (1 << LTC6813_CELLS_IN_A) - 1,
};

uint32_t chain_all(const struct bms *self) {
    return (1u << self->params.front_ends) - 1u;
}

uint32_t chain_silent(const struct bms *self) {
    uint32_t silent = 0;
    for (uint32_t chip = 0; chip < self->params.front_ends; chip++) {
        silent |= (self->chain.strikes[chip] >= CHAIN_STRIKES ? 1u : 0u) << chip;
    }
    return silent;
}

void chain_judge(struct bms *self) {
    struct chain *chain = &self->chain;
    for (uint32_t chip = 0; chip < self->params.front_ends; chip++) {
        if ((chain->failed >> chip & 1) == 0) {
            chain->strikes[chip] = 0;
        } else if (chain->strikes[chip] < CHAIN_STRIKES) {
            chain->strikes[chip]++;
        }
    }
}

bool chain_bleeds(const struct bms *self) {
    uint32_t any = 0;
    for (uint32_t chip = 0; chip < self->params.front_ends; chip++) {
        any |= self->chain.written[chip];
    }
    return any != 0;
}

static enum action send(struct bms *self, struct bms_out *out, uint32_t bytes) {
    self->chain.heard_us = self->now_us;
    out->spi_select = BMS_FRONT_ENDS;
    out->spi_bytes = bytes;
    return STEP_SEND;
}

enum action chain_command(struct bms *self, struct bms_out *out, uint32_t code) {
    return send(self, out, ltc6813_command(out->spi, (uint16_t)code));
}

/* A front end that has failed in this cycle is waited for no more: a dead one would have each of
 * its reads repeated, and its cells are not known anyway. */
enum action chain_read(struct bms *self, struct bms_out *out, uint32_t code) {
    struct chain *chain = &self->chain;
    if (!chain->is_retry) {
        chain->pending = (uint8_t)(chain_all(self) & ~(uint32_t)chain->failed);
    }
    if (chain->pending == 0) {
        return STEP_DONE;
    }
    return send(self, out, ltc6813_read(out->spi, (uint16_t)code, self->params.front_ends));
}

bool chain_take(struct bms *self, const uint8_t *answer,
                bool (*store)(struct bms *self, uint32_t chip, const uint8_t *group)) {
    struct chain *chain = &self->chain;
    for (uint32_t chip = 0; chip < self->params.front_ends; chip++) {
        if (chain->pending >> chip & 1) {
            const uint8_t *group = ltc6813_get(answer, chip);
            if (group && store(self, chip, group)) {
                chain->pending &= (uint8_t)~(1u << chip);
            }
        }
    }
    chain->is_retry = chain->pending != 0 && !chain->is_retry;
    if (!chain->is_retry) {
        chain->failed |= chain->pending;
    }
    return chain->is_retry;
}

/* A pulse wakes one front end after the other: each passes the next one on when it is awake. */
enum action chain_wake(struct bms *self, struct bms_out *out) {
    struct chain *chain = &self->chain;
    const uint32_t round = self->runner.round;
    if (round == 0) {
        uint32_t strikes = 0;
        for (uint32_t chip = 0; chip < self->params.front_ends; chip++) {
            strikes |= chain->strikes[chip];
        }
        /* one that did not answer may have lost its supply, and sleeps since it came back */
        const bool may_sleep = !chain->was_woken || strikes != 0 ||
                               self->now_us - chain->heard_us >= CHAIN_ASLEEP_US;
        if (!may_sleep) {
            return STEP_DONE;
        }
    }
    if (round >= 2u * self->params.front_ends) {
        chain->was_woken = true;
        chain->is_stale = true; /* who slept has forgotten its configuration */
        return STEP_DONE;
    }
    if (round % 2 == 1) {
        return program_wait(self, LTC6813_WAKE_US);
    }
    out->spi[0] = 0xFF;
    return send(self, out, 1);
}

/* Say whether a switch among `mask` has to be written. */
static bool differs(const struct bms *self, uint32_t mask) {
    uint32_t bits = 0;
    for (uint32_t chip = 0; chip < self->params.front_ends; chip++) {
        bits |= self->chain.wanted[chip] ^ self->chain.written[chip];
    }
    return (bits & mask) != 0;
}

static enum action write_config(struct bms *self, struct bms_out *out, uint32_t code,
                                void (*fill)(uint8_t *group, uint32_t dcc)) {
    const uint32_t chips = self->params.front_ends;
    const uint32_t bytes = ltc6813_read(out->spi, (uint16_t)code, chips);
    for (uint32_t chip = 0; chip < chips; chip++) {
        uint8_t group[LTC6813_GROUP_BYTES];
        fill(group, self->chain.wanted[chip]);
        ltc6813_put(out->spi, chips, chip, group);
    }
    return send(self, out, bytes);
}

enum action chain_write_a(struct bms *self, struct bms_out *out) {
    struct chain *chain = &self->chain;
    if (self->runner.round > 0) {
        return STEP_DONE;
    }
    /* decided here for both groups: what goes wrong from now on asks for a write of its own */
    chain->rewrites = chain->is_stale;
    chain->is_stale = false; /* until a transfer goes wrong */
    if (!chain->rewrites && !differs(self, IN_A)) {
        return STEP_DONE;
    }
    return write_config(self, out, LTC6813_WRCFGA, ltc6813_config_a);
}

enum action chain_write_b(struct bms *self, struct bms_out *out) {
    struct chain *chain = &self->chain;
    if (self->runner.round == 0 && (chain->rewrites || differs(self, ~(uint32_t)IN_A))) {
        return write_config(self, out, LTC6813_WRCFGB, ltc6813_config_b);
    }
    memcpy(chain->written, chain->wanted, sizeof chain->written);
    return STEP_DONE;
}

static enum action check(struct bms *self, struct bms_out *out, uint32_t code) {
    /* what is to be written anyway needs no look; a look that has begun is brought to its end */
    const bool is_due = !self->chain.is_stale || self->chain.is_retry;
    return self->runner.round == 0 && is_due ? chain_read(self, out, code) : STEP_DONE;
}

enum action chain_check_a(struct bms *self, struct bms_out *out) {
    return check(self, out, LTC6813_RDCFGA);
}

enum action chain_check_b(struct bms *self, struct bms_out *out) {
    return check(self, out, LTC6813_RDCFGB);
}

/* A front end that has another configuration than we wrote was reset, or did not hear us. */
static bool compare_a(struct bms *self, uint32_t chip, const uint8_t *group) {
    self->chain.is_stale |= !ltc6813_is_config_a(group, self->chain.written[chip]);
    return true;
}

static bool compare_b(struct bms *self, uint32_t chip, const uint8_t *group) {
    self->chain.is_stale |= !ltc6813_is_config_b(group, self->chain.written[chip]);
    return true;
}

bool chain_take_check_a(struct bms *self, const uint8_t *answer) {
    return chain_take(self, answer, compare_a);
}

bool chain_take_check_b(struct bms *self, const uint8_t *answer) {
    return chain_take(self, answer, compare_b);
}
