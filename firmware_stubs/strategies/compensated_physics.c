/* Compares cell voltages without their polarisation, V + eta(I, T), cell by cell. The guard grows with
 * what the model may have wrong; where polarisations differ by much, nothing is decided. */
#include "polarisation.h"
#include "temperatures.h"

/* 0.01 mV: a tenth of a count, so that the model's rounding adds nothing to the measurement's. */
enum { START = 5000, STOP = 3000, WIDEST = 1000 };
enum { GUARD_PERCENT = 2 * 5 }; /* sigmas times the model's error, of the largest polarisation */

struct strategy {
    uint32_t bleeding;
    struct slowed slow;
};

const size_t strategy_size = sizeof(struct strategy);

void strategy_start(struct strategy *self) {
    *self = (struct strategy){0};
}

static int32_t larger(int32_t one, int32_t other) {
    return one > other ? one : other;
}

/* Who bleeds by voltages at rest; `guard` lifts both thresholds. */
static uint32_t compare(uint32_t bleeding, const uint16_t cells[CELLS], const int32_t eta[CELLS],
                        int32_t guard) {
    int32_t lowest = INT32_MAX;
    for (uint32_t cell = 0; cell < CELLS; cell++) {
        const int32_t at_rest = 10 * cells[cell] + eta[cell];
        lowest = cells[cell] != UNKNOWN_VOLTAGE && at_rest < lowest ? at_rest : lowest;
    }
    uint32_t result = 0;
    for (uint32_t cell = 0; cell < CELLS; cell++) {
        const int32_t excess = 10 * cells[cell] + eta[cell] - lowest - guard;
        const bool goes_on = (bleeding >> cell & 1u) != 0 && excess >= STOP;
        if (cells[cell] != UNKNOWN_VOLTAGE && (excess > START || goes_on)) {
            result |= 1u << cell;
        }
    }
    return result;
}

static uint32_t decide(const struct strategy *self, const struct observation *seen) {
    int32_t centi_degc[CELLS];
    int32_t eta[CELLS];
    if (seen->milliamps == UNKNOWN_CURRENT || !temperatures_of_cells(seen->ntcs, centi_degc)) {
        return 0;
    }
    polarisation_of_cells(seen->milliamps, slowed_milliamps(&self->slow), centi_degc, eta);
    int32_t highest = eta[0];
    int32_t lowest = eta[0];
    for (uint32_t cell = 1; cell < CELLS; cell++) {
        highest = larger(eta[cell], highest);
        lowest = -larger(-eta[cell], -lowest);
    }
    if (highest - lowest > WIDEST) {
        return 0;
    }
    /* a charge makes the lowest the largest in magnitude */
    const int32_t guard = larger(larger(highest, -highest), larger(lowest, -lowest));
    return compare(self->bleeding, seen->cells, eta, guard * GUARD_PERCENT / 100);
}

struct decision strategy_step(struct strategy *self, const struct observation *seen) {
    slowed_follow(&self->slow, seen->time_s, seen->milliamps);
    self->bleeding = decide(self, seen);
    return (struct decision){self->bleeding, 100, false};
}
