/* Temperature compensation as the trade has it: both thresholds are wider in the cold, by 1 mV/K below
 * 25 degC of the first NTC, and narrower above, by half of the lower one at most. */
#include "voltages.h"

enum { START = 500, STOP = 300, NARROWEST = -STOP / 2 }; /* 0.1 mV */
enum { REFERENCE = 250 };                                /* 0.1 degC */

struct strategy {
    uint32_t bleeding;
};

const size_t strategy_size = sizeof(struct strategy);

void strategy_start(struct strategy *self) {
    self->bleeding = 0;
}

struct decision strategy_step(struct strategy *self, const struct observation *seen) {
    if (seen->ntcs[0] == UNKNOWN_TEMPERATURE) {
        self->bleeding = 0;
    } else {
        /* 1 mV/K is one count of the voltage for one of the temperature: nothing to multiply */
        const int32_t colder = REFERENCE - seen->ntcs[0];
        const int32_t wider = colder > NARROWEST ? colder : NARROWEST;
        self->bleeding =
            voltages_above_lowest(self->bleeding, seen->cells, START + wider, STOP + wider);
    }
    return (struct decision){self->bleeding, 100, false};
}
