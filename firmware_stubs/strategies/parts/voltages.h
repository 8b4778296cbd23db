/* What nearly every strategy does with cell voltages: find the ends, compare with hysteresis. */
#ifndef VOLTAGES_H
#define VOLTAGES_H

#include "strategy.h"

/* The lowest known one; UNKNOWN_VOLTAGE where none is. */
uint16_t voltages_lowest(const uint16_t cells[CELLS]);

/* The highest known one; 0 where none is. */
uint16_t voltages_highest(const uint16_t cells[CELLS]);

/* Who bleeds: on above `start` over the lowest cell, off below `stop`, as before in between; an
 * unknown cell never. */
uint32_t voltages_above_lowest(uint32_t bleeding, const uint16_t cells[CELLS], int32_t start,
                               int32_t stop);

/* The cells above `limit`, which leaves out the unknown ones. */
uint32_t voltages_above(const uint16_t cells[CELLS], uint16_t limit);

#endif
