/* The protections: what trips, when it releases, and what follows from it. */
#ifndef PROTECTION_H
#define PROTECTION_H

#include <stdbool.h>
#include <stdint.h>

#include "params.h"
#include "readings.h"

/* Bits of the whole board's faults, as the bus has them. */
enum board_flag {
    FLAG_OVER_TEMPERATURE = 1 << 0,
    FLAG_UNDER_TEMPERATURE = 1 << 1,
    FLAG_OVER_CURRENT = 1 << 2,
    FLAG_COMMAND_LOST = 1 << 3,
    FLAG_BAD_COMMAND = 1 << 4,
    FLAG_FRONT_END_1_SILENT = 1 << 5,
    FLAG_TOP_LEAD_OPEN = 1 << 9,
    FLAG_BLEED_PAUSED = 1 << 10,
    FLAG_NTC_LOST = 1 << 11,
};

/* One value against its threshold: tripped or not, and since when it wants to change that. */
struct watch {
    uint64_t since_us;
    bool is_waiting;
    bool is_active;
};

struct protections {
    struct watch over_voltage[MAX_CELLS];
    struct watch under_voltage[MAX_CELLS];
    struct watch over_temperature[MAX_NTCS];
    struct watch under_temperature[MAX_NTCS];
    struct watch lost_ntc[MAX_NTCS];
    struct watch over_current;
    struct watch bleed_pause;
    uint16_t cold_limit;            /* 0.1 A */
    bool open_leads[MAX_CELLS + 1]; /* lead k is the lower one of cell k, both from 0 */
};

/* What follows from all that is known. A limit of 0 forbids the current. */
struct outcome {
    uint64_t over_voltage; /* one bit a cell, as in the next two */
    uint64_t under_voltage;
    uint64_t open_wire;
    uint16_t flags; /* those of the commands left out */
    uint16_t charge_limit;
    uint16_t discharge_limit;
    bool may_bleed;
    bool has_fault;
};

void protections_init(struct protections *self, const struct params *params);

/* Judge what is measured every cycle. What is not known keeps its state. */
void protections_check_cells(struct protections *self, const struct params *params,
                             const struct readings *readings, uint64_t now_us);

/* Judge what is measured every second; bit k of `failed` is front end k + 1, not read this time. */
void protections_check_heat(struct protections *self, const struct params *params,
                            const struct readings *readings, uint32_t failed, uint64_t now_us);

/* Conclude; bit k of `silent` is front end k + 1. */
struct outcome protections_outcome(const struct protections *self, const struct params *params,
                                   uint32_t silent, bool knows_current);

#endif
