/* The trade's usual strategy: from 50 mV above the lowest cell down to 30 mV, whenever it is. */
#include "voltages.h"

enum { START = 500, STOP = 300 }; /* 0.1 mV */

struct strategy {
    uint32_t bleeding;
};

const size_t strategy_size = sizeof(struct strategy);

void strategy_start(struct strategy *self) {
    self->bleeding = 0;
}

struct decision strategy_step(struct strategy *self, const struct observation *seen) {
    self->bleeding = voltages_above_lowest(self->bleeding, seen->cells, START, STOP);
    return (struct decision){self->bleeding, 100, false};
}
