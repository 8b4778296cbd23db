/* The steps of a cycle in their order. Most are loops over rounds (program.h): a transfer, a wait,
 * the next group. A step that has nothing to do in this cycle costs nothing.
 */
#include "cycle.h"

#include "bms_state.h"
#include "bytes.h"
#include "chain.h"
#include "defects.h"
#include "ina229.h"
#include "judge.h"
#include "ltc6813.h"

enum { SECOND_US = 1000000 };

/* --- cells ------------------------------------------------------------------------------------ */

static bool is_muted(const struct bms *self) {
    return self->params.mutes && !defect_bleeds_while_measuring(bms_since_power_up(self));
}

static enum action mute(struct bms *self, struct bms_out *out) {
    if (self->runner.round > 0 || !is_muted(self)) {
        return STEP_DONE;
    }
    return chain_command(self, out, LTC6813_MUTE);
}

/* The filters before the inputs still show the drop across the leads when the bleeds are off. */
static enum action settle(struct bms *self, struct bms_out *out) {
    (void)out;
    if (self->runner.round > 0 || !self->params.mutes || self->params.settle_us == 0) {
        return STEP_DONE;
    }
    return program_wait(self, self->params.settle_us);
}

/* Cleared first: a front end that did not hear the conversion must not pass off old values. */
static enum action convert_cells(struct bms *self, struct bms_out *out) {
    const uint32_t bleeds_on = is_muted(self) ? 0u : LTC6813_DCP;
    switch (self->runner.round) {
    case 0:
        return chain_command(self, out, LTC6813_CLRCELL);
    case 1:
        return chain_command(self, out, LTC6813_ADCV | bleeds_on);
    case 2:
        return program_wait(self, LTC6813_CELLS_US);
    default:
        return STEP_DONE;
    }
}

/* Three cells a group, of all front ends at once; groups above the cells in use stay unread. */
static enum action read_cells(struct bms *self, struct bms_out *out) {
    const uint32_t group = self->runner.round;
    if (group * LTC6813_WORDS >= self->params.cells_per_front_end) {
        return STEP_DONE;
    }
    return chain_read(self, out, ltc6813_rdcv(group));
}

/* Copy the words of a group; false when none of them was converted. */
static bool copy_words(uint16_t *to, const uint8_t *group, uint32_t words) {
    bool is_converted = false;
    for (uint32_t i = 0; i < words; i++) {
        to[i] = get_le16(group + 2 * i);
        is_converted |= to[i] != LTC6813_NOT_CONVERTED;
    }
    return is_converted;
}

/* The last front end may have fewer cells than the others, or none in this group. */
static bool copy_cells(struct bms *self, uint16_t *cells, uint32_t chip, const uint8_t *group) {
    const uint32_t each = self->params.cells_per_front_end;
    const uint32_t first = self->runner.round * LTC6813_WORDS;
    const uint32_t rest = self->params.cells - chip * each;
    const uint32_t end = rest < each ? rest : each;
    if (first >= end) {
        return true;
    }
    const uint32_t words = end - first < LTC6813_WORDS ? end - first : LTC6813_WORDS;
    return copy_words(cells + chip * each + first, group, words);
}

static bool store_cells(struct bms *self, uint32_t chip, const uint8_t *group) {
    return copy_cells(self, self->readings.cells, chip, group);
}

static bool take_cells(struct bms *self, const uint8_t *answer) {
    return chain_take(self, answer, store_cells);
}

/* --- shunt ------------------------------------------------------------------------------------ */

static enum action read_shunt(struct bms *self, struct bms_out *out) {
    if (self->runner.round > 0) {
        return STEP_DONE;
    }
    out->spi_select = BMS_SHUNT;
    out->spi_bytes = ina229_read_shunt(out->spi);
    return STEP_SEND;
}

static bool take_shunt(struct bms *self, const uint8_t *answer) {
    int32_t counts;
    const bool is_known = ina229_shunt(answer, &counts) && self->has_shunt;
    self->readings.milliamps =
        is_known ? ina229_milliamps(counts, self->params.shunt_nohm) : UNKNOWN_CURRENT;
    return false;
}

/* Its readings have no check sum; that it still is who it was says at least that someone is there.
 * Once a second, and in each cycle while it does not: a data line that is stuck low reads as no
 * current, again and again. */
static enum action identify_shunt(struct bms *self, struct bms_out *out) {
    if (self->runner.round > 0 || (self->has_shunt && !self->is_slow)) {
        return STEP_DONE;
    }
    out->spi_select = BMS_SHUNT;
    out->spi_bytes = ina229_read_identity(out->spi);
    return STEP_SEND;
}

static bool take_identity(struct bms *self, const uint8_t *answer) {
    self->has_shunt = ina229_is_there(answer);
    return false;
}

/* --- auxiliary inputs, once a second ---------------------------------------------------------- */

static enum action convert_aux(struct bms *self, struct bms_out *out) {
    if (!self->is_slow) {
        return STEP_DONE;
    }
    switch (self->runner.round) {
    case 0:
        return chain_command(self, out, LTC6813_CLRAUX);
    case 1:
        return chain_command(self, out, LTC6813_ADAX);
    case 2:
        return program_wait(self, LTC6813_AUX_US);
    default:
        return STEP_DONE;
    }
}

/* Where the inputs of a group stand: GPIO 1 to 3, 4 and 5 (then the reference), 6 to 8, 9. */
static const struct aux_group {
    uint8_t first;
    uint8_t inputs;
} AUX_GROUPS[] = {{0, 3}, {3, 2}, {5, 3}, {8, 1}};

enum { LAST_AUX_GROUP = 3 };

/* Groups with NTCs come first, in their order; the last one has the board's own. */
static uint32_t aux_group(const struct bms *self) {
    const uint32_t group = self->runner.round;
    const bool has_ntc = group < LAST_AUX_GROUP && AUX_GROUPS[group].first < self->params.ntcs;
    return has_ntc ? group : LAST_AUX_GROUP;
}

/* Read while the bleeds are still muted: their current lifts the ground that the NTCs stand on. */
static enum action read_aux(struct bms *self, struct bms_out *out) {
    const bool was_last =
        self->runner.round > 0 &&
        (self->runner.round > LAST_AUX_GROUP ||
         AUX_GROUPS[self->runner.round - 1].first >= self->params.ntcs);
    if (!self->is_slow || was_last) {
        return STEP_DONE;
    }
    return chain_read(self, out, ltc6813_rdaux(aux_group(self)));
}

static bool store_aux(struct bms *self, uint32_t chip, const uint8_t *group) {
    const struct aux_group *place = &AUX_GROUPS[aux_group(self)];
    return copy_words(self->readings.gpio[chip] + place->first, group, place->inputs);
}

static bool take_aux(struct bms *self, const uint8_t *answer) {
    return chain_take(self, answer, store_aux);
}

/* --- open-wire scan --------------------------------------------------------------------------- */

/* Twice, as the data sheet asks for: the first conversion leaves the input filters moving. */
static enum action pull(struct bms *self, struct bms_out *out, uint32_t direction) {
    if (!self->is_scan) {
        return STEP_DONE;
    }
    switch (self->runner.round) {
    case 0:
    case 2:
        return chain_command(self, out, LTC6813_ADOW | direction);
    case 1:
    case 3:
        return program_wait(self, LTC6813_CELLS_US);
    default:
        return STEP_DONE;
    }
}

/* After the cells were read: the registers hold the pulled ones from here on. */
static enum action pull_up(struct bms *self, struct bms_out *out) {
    self->is_scan = self->is_scan && judge_is_connected(self);
    return pull(self, out, LTC6813_PUP);
}

static enum action pull_down(struct bms *self, struct bms_out *out) {
    return pull(self, out, 0);
}

static enum action read_pulled(struct bms *self, struct bms_out *out) {
    return self->is_scan ? read_cells(self, out) : STEP_DONE;
}

static bool store_up(struct bms *self, uint32_t chip, const uint8_t *group) {
    return copy_cells(self, self->readings.pulled_up, chip, group);
}

static bool store_down(struct bms *self, uint32_t chip, const uint8_t *group) {
    return copy_cells(self, self->readings.pulled_down, chip, group);
}

static bool take_up(struct bms *self, const uint8_t *answer) {
    return chain_take(self, answer, store_up);
}

static bool take_down(struct bms *self, const uint8_t *answer) {
    return chain_take(self, answer, store_down);
}

/* --- what follows from it --------------------------------------------------------------------- */

static enum action check_a(struct bms *self, struct bms_out *out) {
    return self->is_slow ? chain_check_a(self, out) : STEP_DONE;
}

static enum action check_b(struct bms *self, struct bms_out *out) {
    return self->is_slow ? chain_check_b(self, out) : STEP_DONE;
}

/* Everything is measured. What follows touches no bus, and is done in one go. */
static enum action conclude(struct bms *self, struct bms_out *out) {
    (void)out;
    judge_cycle(self);
    bleeds_switches(&self->bleeds, &self->params, bms_since_power_up(self), self->chain.wanted);
    return STEP_DONE;
}

/* Sent even where a defect left MUTE out: it would be told by a missing transfer. */
static enum action unmute(struct bms *self, struct bms_out *out) {
    if (self->runner.round > 0 || !self->params.mutes) {
        return STEP_DONE;
    }
    return chain_command(self, out, LTC6813_UNMUTE);
}

/* Last, so that what the host is told to bleed does bleed already. */
static enum action report(struct bms *self, struct bms_out *out) {
    judge_report(self, out);
    return STEP_DONE;
}

/* --- programs --------------------------------------------------------------------------------- */

static const struct step CYCLE[] = {
    {chain_wake, NULL},
    {check_a, chain_take_check_a},
    {check_b, chain_take_check_b},
    {chain_write_a, NULL},
    {chain_write_b, NULL},
    {mute, NULL},
    {settle, NULL},
    {convert_cells, NULL},
    {read_cells, take_cells},
    {identify_shunt, take_identity},
    {read_shunt, take_shunt},
    {convert_aux, NULL},
    {read_aux, take_aux},
    {pull_up, NULL},
    {read_pulled, take_up},
    {pull_down, NULL},
    {read_pulled, take_down},
    {conclude, NULL},
    {chain_write_a, NULL},
    {chain_write_b, NULL},
    {unmute, NULL},
    {report, NULL},
    {NULL, NULL},
};

static const struct step END_BLEEDS[] = {
    {chain_write_a, NULL},
    {chain_write_b, NULL},
    {NULL, NULL},
};

static const struct step KEEP_ALIVE[] = {
    {chain_check_a, chain_take_check_a},
    {chain_check_b, chain_take_check_b},
    {chain_write_a, NULL},
    {chain_write_b, NULL},
    {NULL, NULL},
};

/* Numbers of seconds and scans, not of cycles left: a cycle that was skipped delays nothing. */
void cycle_start(struct bms *self, uint64_t number) {
    const uint32_t cycle_us = self->params.cycle_us;
    const uint64_t cycles_a_second =
        cycle_us < SECOND_US ? (SECOND_US + cycle_us / 2) / cycle_us : 1u;
    const uint64_t second = 1 + (number - 1) / cycles_a_second;
    const uint64_t scan = number / self->params.open_wire_every;
    self->cycle = number;
    self->started_us = self->powered_us + number * cycle_us;
    self->is_slow = second != self->second;
    self->is_scan = scan != self->scan;
    self->second = second;
    self->scan = scan;
    self->chain.failed = 0;
    program_start(self, CYCLE);
}

void cycle_end_bleeds(struct bms *self) {
    bleeds_end(&self->bleeds, &self->params, self->now_us);
    bleeds_switches(&self->bleeds, &self->params, bms_since_power_up(self), self->chain.wanted);
    program_start(self, END_BLEEDS);
}

void cycle_keep_alive(struct bms *self) {
    self->chain.failed = 0; /* judged already: each gets another chance */
    /* a host that is gone is gone at once: the next cycle may be a minute away */
    commands_watch(&self->commands, &self->params, self->now_us);
    if (self->commands.is_lost) {
        bleeds_end(&self->bleeds, &self->params, BLEEDS_NEVER);
        bleeds_switches(&self->bleeds, &self->params, bms_since_power_up(self),
                        self->chain.wanted);
    }
    program_start(self, KEEP_ALIVE);
}
