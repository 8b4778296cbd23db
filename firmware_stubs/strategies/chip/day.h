/* The recorded day: tests/firmware/chip_cost.py makes the C file of it. */
#ifndef DAY_H
#define DAY_H

#include "strategy.h"

extern const struct observation DAY[];
extern const uint32_t DAY_DECISIONS;

#endif
