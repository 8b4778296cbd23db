#include "voltages.h"

_Static_assert(CELLS >= 2 && CELLS <= 32, "a bit a cell, and an NTC at either end");

uint16_t voltages_lowest(const uint16_t cells[CELLS]) {
    uint16_t found = UNKNOWN_VOLTAGE; /* the largest number: whatever is known is lower */
    for (uint32_t cell = 0; cell < CELLS; cell++) {
        found = cells[cell] < found ? cells[cell] : found;
    }
    return found;
}

uint16_t voltages_highest(const uint16_t cells[CELLS]) {
    uint16_t found = 0;
    for (uint32_t cell = 0; cell < CELLS; cell++) {
        if (cells[cell] != UNKNOWN_VOLTAGE && cells[cell] > found) {
            found = cells[cell];
        }
    }
    return found;
}

uint32_t voltages_above_lowest(uint32_t bleeding, const uint16_t cells[CELLS], int32_t start,
                               int32_t stop) {
    const int32_t lowest = voltages_lowest(cells);
    uint32_t result = 0;
    for (uint32_t cell = 0; cell < CELLS; cell++) {
        if (cells[cell] == UNKNOWN_VOLTAGE) {
            continue;
        }
        const int32_t excess = cells[cell] - lowest;
        if (excess > start || ((bleeding >> cell & 1u) != 0 && excess >= stop)) {
            result |= 1u << cell;
        }
    }
    return result;
}

uint32_t voltages_above(const uint16_t cells[CELLS], uint16_t limit) {
    uint32_t result = 0;
    for (uint32_t cell = 0; cell < CELLS; cell++) {
        if (cells[cell] != UNKNOWN_VOLTAGE && cells[cell] > limit) {
            result |= 1u << cell;
        }
    }
    return result;
}
