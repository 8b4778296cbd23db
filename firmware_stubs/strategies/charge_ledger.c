/* At the top, where voltage tells charge, writes down what each cell has too much of; then bleeds that
 * by counting, on the plateau too. Without leak learning, as it is by default.
 *
 * Charge is counted in units of 10 uA s: a second of a bleed is some 4800 of them, and 32 bits hold 11
 * ampere-hours, where what a visit can tell is 2 % of the capacity.
 */
#include "lfp_tables.h"
#include "polarisation.h"
#include "temperatures.h"
#include "voltages.h"

enum {
    UNIT_A = 100000, /* units of current in an ampere */
    QUIET_MA = CAPACITY_MA / 10,
    DISCHARGE_MA = CAPACITY_MA / 200, /* leaves the branch of the hysteresis that this is read on */
    TOP_FLOOR = 33700,                /* 0.1 mV: no cell is at the top with less */
    MODEL_ERROR_PERCENT = 5,
    VISIT = CAPACITY_AH * 36 * UNIT_A,     /* 1 % of the capacity, to full */
    KEPT = CAPACITY_AH * 72 * (UNIT_A / 10), /* 0.2 %: not worth a bleed */
    BLEED = 9621, /* units of current for 0.1 mV, in 1/65536: 68 ohm and two leads of 60 mohm */
};

_Static_assert(CAPACITY_AH <= 500, "2 % of more is out of 32 bits");

static const uint32_t DAY_S = 86400;

struct strategy {
    uint32_t spare[CELLS]; /* by how much it is nearer to full than the neediest, at least */
    uint16_t bleed[CELLS]; /* what the last decision draws */
    struct slowed slow;
    uint32_t at_s;
    uint32_t visited_s; /* the top, or the first decision */
    uint32_t anchored_s;
    bool has_begun;
    bool is_anchored;
    bool is_same_charge; /* has been at the top, and was not discharged since */
};

const size_t strategy_size = sizeof(struct strategy);

void strategy_start(struct strategy *self) {
    *self = (struct strategy){0};
}

/* What a cell lacks to full, of its voltage at rest after a charge, 0.01 mV. */
static uint32_t to_full(int32_t charged) {
    if (charged <= TO_FULL[0].voltage) {
        return TO_FULL[0].lacks;
    }
    if (charged >= TO_FULL[TO_FULL_ENTRIES - 1].voltage) {
        return 0;
    }
    uint32_t entry = 0;
    while (charged >= TO_FULL[entry + 1].voltage) {
        entry++;
    }
    const uint32_t above = (uint32_t)(charged - TO_FULL[entry].voltage);
    return TO_FULL[entry].lacks - above * TO_FULL[entry].per_voltage;
}

static uint16_t bleed_of(uint16_t cell) {
    return (uint16_t)((cell * (uint32_t)BLEED) >> 16);
}

/* Take off what was bled since, by the last decision. */
static void count(struct strategy *self, uint32_t time_s) {
    const uint32_t passed_s = self->has_begun ? time_s - self->at_s : 0;
    /* a bleed is below 65536 units, and after five days nothing is left of any entry */
    const uint32_t counted_s = passed_s < 65536u ? passed_s : 65535u;
    for (uint32_t cell = 0; cell < CELLS; cell++) {
        const uint32_t bled = counted_s * self->bleed[cell];
        self->spare[cell] = self->spare[cell] > bled ? self->spare[cell] - bled : 0;
    }
    self->at_s = time_s;
}

static bool is_quiet(const struct observation *seen) {
    return seen->milliamps != UNKNOWN_CURRENT && seen->milliamps > -QUIET_MA &&
           seen->milliamps < DISCHARGE_MA;
}

/* What a look at the top tells, and whether it is one: each cell within the errors of board and
 * model, the neediest to the side of fuller, the others to that of emptier. */
static bool look(const struct strategy *self, const struct observation *seen,
                 uint32_t spare[CELLS]) {
    int32_t centi_degc[CELLS];
    int32_t eta[CELLS];
    if (!is_quiet(seen) || voltages_highest(seen->cells) <= TOP_FLOOR ||
        !temperatures_of_cells(seen->ntcs, centi_degc)) {
        return false;
    }
    polarisation_of_cells(seen->milliamps, slowed_milliamps(&self->slow), centi_degc, eta);
    uint32_t fullest = UINT32_MAX;
    uint32_t neediest = 0;
    for (uint32_t cell = 0; cell < CELLS; cell++) {
        if (seen->cells[cell] == UNKNOWN_VOLTAGE) {
            continue;
        }
        const int32_t charged = 10 * seen->cells[cell] + eta[cell];
        const int32_t size = eta[cell] < 0 ? -eta[cell] : eta[cell];
        const int32_t error = 10 * BOARD_ERROR + size * MODEL_ERROR_PERCENT / 100;
        const uint32_t lacks = to_full(charged);
        const uint32_t least = to_full(charged + error);
        spare[cell] = to_full(charged - error);
        fullest = lacks < fullest ? lacks : fullest;
        neediest = least > neediest ? least : neediest;
    }
    for (uint32_t cell = 0; cell < CELLS; cell++) {
        const bool has = seen->cells[cell] != UNKNOWN_VOLTAGE && neediest > spare[cell];
        spare[cell] = has ? neediest - spare[cell] : 0;
    }
    return fullest <= VISIT;
}

/* Write down what was seen: the first look after a charge replaces the ledger, a later one sees less
 * than the first one knew, and may only add. */
static void anchor(struct strategy *self, const struct observation *seen,
                   const uint32_t spare[CELLS]) {
    for (uint32_t cell = 0; cell < CELLS; cell++) {
        if (!self->is_same_charge || spare[cell] > self->spare[cell]) {
            self->spare[cell] = spare[cell];
        }
    }
    self->visited_s = seen->time_s;
    self->anchored_s = seen->time_s;
    self->is_anchored = true;
    self->is_same_charge = true;
}

/* Bleed what is left over; a share of a period would only be one more edge. */
static uint32_t spend(struct strategy *self, const struct observation *seen) {
    const bool is_fresh = self->is_anchored && seen->time_s - self->anchored_s <= 30 * DAY_S;
    uint32_t bleeding = 0;
    for (uint32_t cell = 0; cell < CELLS; cell++) {
        const bool is_known = seen->cells[cell] != UNKNOWN_VOLTAGE;
        const uint16_t bleed = is_known ? bleed_of(seen->cells[cell]) : 0;
        self->spare[cell] = is_fresh ? self->spare[cell] : 0;
        const bool bleeds = is_known && self->spare[cell] >= KEPT + (uint32_t)bleed * EVERY_S;
        self->bleed[cell] = bleeds ? bleed : 0;
        bleeding |= (uint32_t)bleeds << cell;
    }
    return bleeding;
}

struct decision strategy_step(struct strategy *self, const struct observation *seen) {
    uint32_t spare[CELLS];
    slowed_follow(&self->slow, seen->time_s, seen->milliamps);
    count(self, seen->time_s);
    self->visited_s = self->has_begun ? self->visited_s : seen->time_s;
    /* an unknown current is the most negative number: that is no discharge */
    self->is_same_charge = self->is_same_charge && seen->milliamps < DISCHARGE_MA;
    if (look(self, seen, spare)) {
        anchor(self, seen, spare);
    }
    self->has_begun = true;
    const bool wants_full = seen->time_s - self->visited_s >= 10 * DAY_S;
    return (struct decision){spend(self, seen), 100, wants_full};
}
