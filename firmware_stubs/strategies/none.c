/* Never bleeds. What it costs is what being called costs: the zero of the measurement. */
#include "strategy.h"

struct strategy {
    uint8_t nothing; /* C knows no empty structure */
};

const size_t strategy_size = sizeof(struct strategy);

void strategy_start(struct strategy *self) {
    self->nothing = 0;
}

struct decision strategy_step(struct strategy *self, const struct observation *seen) {
    (void)self;
    (void)seen;
    return (struct decision){0, 100, false};
}
