/* What the board has measured last. */
#ifndef READINGS_H
#define READINGS_H

#include <stdbool.h>
#include <stdint.h>

#include "params.h"

enum {
    UNKNOWN_VOLTAGE = 0xFFFF,
    UNKNOWN_CURRENT = INT32_MIN,
};

struct readings {
    uint16_t cells[MAX_CELLS];       /* 0.1 mV */
    uint16_t pulled_up[MAX_CELLS];   /* the same while a current pulls the inputs */
    uint16_t pulled_down[MAX_CELLS]; /* and while it pulls the other way */
    uint16_t gpio[MAX_FRONT_ENDS][NTCS_PER_FRONT_END + 1];
    int16_t pcb; /* 0.1 degC, as the next */
    int16_t ntcs[MAX_NTCS];
    bool has_pcb; /* false: its sensor was read, and gave no temperature */
    int32_t milliamps; /* positive in discharge */
};

#endif
