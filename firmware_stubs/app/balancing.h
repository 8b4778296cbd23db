/* The board's own balancing: the trade's fixed threshold over the lowest cell, with hysteresis. */
#ifndef BALANCING_H
#define BALANCING_H

#include <stdbool.h>
#include <stdint.h>

#include "params.h"
#include "readings.h"

struct balancing {
    uint64_t bleeding; /* one bit a cell */
    uint64_t due_us;   /* of the next decision; 0: of the first one, at once */
};

/* Forget everything: the next call decides at once. */
void balancing_restart(struct balancing *self);

/* Decide if it is time to, on the newest cells: above `start` over the lowest known cell it
 * begins, below `stop` it ends, in between it goes on; a cell that is not known does not bleed. */
void balancing_run(struct balancing *self, const struct params *params,
                   const struct readings *readings, uint64_t now_us);

#endif
