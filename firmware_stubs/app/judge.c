/* Nothing here waits or talks to a chip: readings in, duties and frames out, once a cycle.
 *
 * Judged is by the time the cycle began, commands by the time that is now: a delay counts cycles,
 * a command comes when it comes.
 */
#include "judge.h"

#include <string.h>

#include "bms_state.h"
#include "chain.h"
#include "defects.h"
#include "open_wire.h"
#include "thermistor.h"

enum { CONNECTED = 5000, SHUNT_STRIKES = 3 };

/* The highest voltage that is known, or UNKNOWN_VOLTAGE. */
static uint16_t highest(const struct bms *self) {
    uint16_t found = UNKNOWN_VOLTAGE;
    for (uint32_t cell = 0; cell < self->params.cells; cell++) {
        const uint16_t counts = self->readings.cells[cell];
        if (counts != UNKNOWN_VOLTAGE && (found == UNKNOWN_VOLTAGE || counts > found)) {
            found = counts;
        }
    }
    return found;
}

bool judge_is_connected(const struct bms *self) {
    const uint16_t counts = highest(self);
    return counts != UNKNOWN_VOLTAGE && counts >= CONNECTED;
}

/* --- readings --------------------------------------------------------------------------------- */

/* What was not read in this cycle is not known: an old value would be taken for a new one. */
static void forget_failed(struct bms *self) {
    const uint32_t each = self->params.cells_per_front_end;
    for (uint32_t cell = 0; cell < self->params.cells; cell++) {
        if (self->chain.failed >> cell / each & 1) {
            self->readings.cells[cell] = UNKNOWN_VOLTAGE;
        }
    }
}

static int16_t degc(const struct bms *self, uint32_t chip, uint32_t input) {
    if (self->chain.failed >> chip & 1) {
        return UNKNOWN_TEMPERATURE;
    }
    const uint16_t reading = self->readings.gpio[chip][input];
    const int16_t value = thermistor_degc(self->params.ntc_counts, reading);
    return defect_degc(value, bms_since_power_up(self));
}

static void convert_temperatures(struct bms *self) {
    struct readings *readings = &self->readings;
    readings->pcb = degc(self, 0, NTCS_PER_FRONT_END);
    readings->has_pcb = readings->pcb != UNKNOWN_TEMPERATURE || (self->chain.failed & 1);
    for (uint32_t ntc = 0; ntc < self->params.ntcs; ntc++) {
        readings->ntcs[ntc] = degc(self, ntc / NTCS_PER_FRONT_END, ntc % NTCS_PER_FRONT_END);
    }
}

static void judge_readings(struct bms *self) {
    const struct params *params = &self->params;
    chain_judge(self);
    forget_failed(self);
    const bool is_lost = self->readings.milliamps == UNKNOWN_CURRENT;
    const uint8_t strikes = self->shunt_strikes;
    self->shunt_strikes = (uint8_t)(!is_lost ? 0 : strikes < SHUNT_STRIKES ? strikes + 1 : strikes);
    /* judged at the time the cycle began: how long its transfers took makes no difference */
    protections_check_cells(&self->protections, params, &self->readings, self->started_us);
    if (self->is_slow) {
        convert_temperatures(self);
        protections_check_heat(&self->protections, params, &self->readings, self->chain.failed,
                               self->started_us);
    }
    if (self->is_scan) {
        open_wire_find(params, &self->readings, self->chain.failed, self->protections.open_leads);
    }
    self->outcome = protections_outcome(&self->protections, params, chain_silent(self),
                                        self->shunt_strikes < SHUNT_STRIKES);
}

/* --- bleeds ----------------------------------------------------------------------------------- */

/* Until its protections had their delay it has not judged yet. */
static bool is_starting(const struct bms *self) {
    return self->started_us - self->powered_us <= self->params.protection_delay_us;
}

/* Cells that have just been connected are on their way up: wait as long as the protections do. */
static bool is_settled(struct bms *self) {
    if (!judge_is_connected(self)) {
        self->connected_us = UINT64_MAX;
    } else if (self->connected_us == UINT64_MAX) {
        self->connected_us = self->started_us;
    }
    return self->connected_us != UINT64_MAX &&
           self->started_us - self->connected_us >= self->params.protection_delay_us;
}

static void balance(struct bms *self, uint8_t duty[MAX_CELLS]) {
    if (is_settled(self)) {
        balancing_run(&self->balancing, &self->params, &self->readings, self->started_us);
    } else if (highest(self) < CONNECTED) {
        balancing_restart(&self->balancing); /* the next stack may be another one */
    }
    for (uint32_t cell = 0; cell < self->params.cells; cell++) {
        duty[cell] = self->balancing.bleeding >> cell & 1 ? DUTY_COUNTS : 0;
    }
}

/* What the host asks for, or the board itself; less what the protections do not allow. */
static void choose_duty(struct bms *self, uint8_t duty[MAX_CELLS]) {
    if (self->commands.has_host) {
        balancing_restart(&self->balancing);
        memcpy(duty, self->commands.duty, MAX_CELLS);
    } else {
        balance(self, duty);
    }
    for (uint32_t cell = 0; cell < self->params.cells; cell++) {
        if (!self->outcome.may_bleed || (self->outcome.under_voltage >> cell & 1)) {
            duty[cell] = 0;
        }
    }
}

void judge_cycle(struct bms *self) {
    uint8_t duty[MAX_CELLS];
    judge_readings(self);
    commands_watch(&self->commands, &self->params, self->now_us);
    self->requests = commands_take_requests(&self->commands);
    choose_duty(self, duty);
    const uint64_t next_us = self->started_us + self->params.cycle_us;
    self->has_new_bleeds =
        bleeds_decide(&self->bleeds, &self->params, duty, self->now_us, next_us);
}

/* --- telemetry -------------------------------------------------------------------------------- */

static bool asked(const struct bms *self, enum request_code code) {
    return self->requests >> code & 1;
}

/* Faults are told once a second, and at once when one came or went. */
static bool has_new_faults(const struct bms *self, uint32_t flags) {
    const struct outcome *now = &self->outcome, *told = &self->told;
    return flags != self->flags || now->over_voltage != told->over_voltage ||
           now->under_voltage != told->under_voltage || now->open_wire != told->open_wire;
}

/* A fault of a command counts as one of the board: the host shall look why it is not obeyed. */
static void report_status(struct bms *self, struct bms_out *out, uint32_t flags) {
    const bool has_fault = flags != 0 || self->outcome.has_fault;
    const struct status status = {
        .cycle = (uint32_t)self->cycle,
        .milliamps = self->readings.milliamps,
        .state = has_fault ? STATE_FAULT : is_starting(self) ? STATE_STARTING : STATE_NORMAL,
        .charge_allowed = self->outcome.charge_limit > 0,
        .discharge_allowed = self->outcome.discharge_limit > 0,
    };
    telemetry_status(&self->telemetry, out, &status);
}

static void report_faults(struct bms *self, struct bms_out *out, uint32_t flags) {
    self->flags = flags;
    self->told = self->outcome;
    telemetry_faults(&self->telemetry, out, &self->params, &self->outcome, flags,
                     self->commands.rejected);
}

/* The order is part of the protocol: a status belongs to the cell set that went before it. */
void judge_report(struct bms *self, struct bms_out *out) {
    struct telemetry *telemetry = &self->telemetry;
    const struct params *params = &self->params;
    const uint32_t flags = self->outcome.flags | commands_flags(&self->commands, self->now_us);
    const bool has_status = !defect_loses_status(chain_silent(self), bms_since_power_up(self));
    const bool tells_faults = self->is_slow || has_new_faults(self, flags);

    telemetry_cells(telemetry, out, params, &self->readings);
    if (self->is_slow) {
        telemetry_temperatures(telemetry, out, params, &self->readings);
    }
    if (self->is_slow || self->has_new_bleeds || asked(self, REQUEST_REPORT_BLEEDS)) {
        telemetry_bleeds(telemetry, out, params, self->bleeds.duty);
    }
    if (has_status) {
        report_status(self, out, flags);
    }
    if (tells_faults && has_status) {
        report_faults(self, out, flags);
    }
    if (tells_faults) {
        telemetry_limits(telemetry, out, &self->outcome);
    }
    if (asked(self, REQUEST_IDENTIFY)) {
        telemetry_identity(telemetry, out, params);
    }
}
