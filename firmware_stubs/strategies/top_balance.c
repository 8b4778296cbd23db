/* Decides at the end of a full charge only, where voltage tells charge, and lets that run on for half
 * an hour: the charge that a cell has too much of does not go with the voltage that showed it. */
#include "voltages.h"

/* 0.1 mV. Below twice the board's error no difference is taken for real. */
enum {
    STOP = 2 * BOARD_ERROR > 50 ? 2 * BOARD_ERROR : 50,
    START = STOP + 50,
    GATE = 34000,
    HOLD = 34500,
};
enum { SMALL_MA = CAPACITY_MA / 20, TAIL_S = 1800 };

struct strategy {
    uint32_t bleeding;
    int32_t last_ma;
    uint32_t tail_until_s;
};

const size_t strategy_size = sizeof(struct strategy);

void strategy_start(struct strategy *self) {
    *self = (struct strategy){.last_ma = UNKNOWN_CURRENT};
}

/* Charging, by 5 % less than at the last decision. In twentieths, of magnitudes: 32 bits are enough
 * for 200 A, and there is no division, which an M0+ has not. */
static bool is_falling(int32_t last_ma, int32_t now_ma) {
    if (last_ma == UNKNOWN_CURRENT || last_ma >= 0 || now_ma >= 0) {
        return false;
    }
    return 20u * (uint32_t)-now_ma < 19u * (uint32_t)-last_ma;
}

/* Whether voltage differences may be trusted; not at a current that nobody knows. */
static bool is_open(const struct strategy *self, const struct observation *seen) {
    const uint16_t highest = voltages_highest(seen->cells);
    if (highest <= GATE || seen->milliamps == UNKNOWN_CURRENT) {
        return false;
    }
    const bool is_small = seen->milliamps < SMALL_MA && seen->milliamps > -SMALL_MA;
    return is_small || (highest >= HOLD && is_falling(self->last_ma, seen->milliamps));
}

struct decision strategy_step(struct strategy *self, const struct observation *seen) {
    if (is_open(self, seen)) {
        self->bleeding = voltages_above_lowest(self->bleeding, seen->cells, START, STOP);
        self->tail_until_s = seen->time_s + TAIL_S;
    } else if (seen->time_s < self->tail_until_s) {
        self->bleeding &= voltages_above(seen->cells, 0);
    } else {
        self->bleeding = 0;
    }
    self->last_ma = seen->milliamps;
    return (struct decision){self->bleeding, 100, false};
}
