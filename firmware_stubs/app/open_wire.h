/* Open leads, found the data sheet's way: all inputs pulled up, then all pulled down.
 *
 * Its limits come with it: of two loose leads side by side only the upper one is found, a cell that
 * is alone on its front end gives both its leads up, and an outermost cell of 0.0 mV one of them.
 */
#ifndef OPEN_WIRE_H
#define OPEN_WIRE_H

#include <stdbool.h>
#include <stdint.h>

#include "params.h"
#include "readings.h"

/* Fill `open` (cells + 1, from the lowest lead) with what both readings show. The leads of a front
 * end whose bit is set in `failed` were not seen: they stay as they were. */
void open_wire_find(const struct params *params, const struct readings *readings, uint32_t failed,
                    bool open[MAX_CELLS + 1]);

#endif
