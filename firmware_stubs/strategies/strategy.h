/* A balancing strategy as a master chip runs it: what it is given, what it answers.
 *
 * Integers in the units of the wire: a Cortex-M0+ or M3 has no floating point, and counts of 0.1 mV
 * are exact where a threshold in volts is not. One file is one strategy, an image holds one of them,
 * so all are called the same. Parameters are those that hil/balancing has by default.
 */
#ifndef STRATEGY_H
#define STRATEGY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifndef PACK_CELLS
#define PACK_CELLS 16
#endif

enum {
    CELLS = PACK_CELLS, /* 2 to 32: a bit each */
    NTCS = 4,           /* spread evenly over the stack, from the first cell to the last */
    CAPACITY_AH = 100,
    CAPACITY_MA = CAPACITY_AH * 1000, /* what empties the pack in an hour */
    BOARD_ERROR = 20,                 /* 0.1 mV: what the board declares */
    EVERY_S = 120,                    /* between two decisions */
};

enum {
    UNKNOWN_VOLTAGE = 0xFFFF,
    UNKNOWN_CURRENT = INT32_MIN,
    UNKNOWN_TEMPERATURE = INT16_MIN,
};

/* What is not valid, or too old to decide on, comes as unknown. */
struct observation {
    uint32_t time_s;       /* since power-up */
    int32_t milliamps;     /* positive in discharge; the magnitude below 200 A */
    uint16_t cells[CELLS]; /* 0.1 mV */
    int16_t ntcs[NTCS];    /* 0.1 degC */
};

struct decision {
    uint32_t bleeding; /* one bit a cell */
    uint8_t percent;   /* of the time */
    bool wants_full;   /* a full charge, from whoever manages the energy */
};

struct strategy; /* what it remembers: each has its own */

/* For who provides the memory: there is no heap. */
extern const size_t strategy_size;

void strategy_start(struct strategy *self);

struct decision strategy_step(struct strategy *self, const struct observation *seen);

#endif
