/* The parameter page: what distinguishes one board from another, in a flash page of its own.
 *
 * Voltages are counts of 0.1 mV, temperatures of 0.1 degC, limits of 0.1 A: as on the wire.
 */
#ifndef PARAMS_H
#define PARAMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    MAX_CELLS = 64,
    MAX_FRONT_ENDS = 4,
    MAX_CELLS_PER_FRONT_END = 18,
    NTCS_PER_FRONT_END = 8, /* GPIO 1 to 8; GPIO 9 of the first one is the board's own */
    MAX_NTCS = MAX_FRONT_ENDS * NTCS_PER_FRONT_END,
    NTC_POINTS = 33,
    PARAMS_SIZE = 156,
};

/* Trips at or beyond `trip` and releases at or beyond `release`; a release above the trip watches
 * for too little, any other for too much. */
struct threshold {
    int32_t trip;
    int32_t release;
};

struct params {
    uint32_t serial;
    uint8_t cells;
    uint8_t cells_per_front_end;
    uint8_t front_ends; /* as many as the cells need */
    uint8_t ntcs;
    bool mutes;
    bool balances; /* by itself, after power-up */
    uint32_t cycle_us;
    uint32_t settle_us;
    struct threshold over_voltage;
    struct threshold under_voltage;
    struct threshold over_temperature;
    struct threshold under_temperature;
    struct threshold bleed_pause;
    struct threshold over_current_ma;
    int16_t cold_charge_below;
    int16_t no_charge_below;
    uint32_t protection_delay_us;
    uint32_t command_timeout_us;
    uint16_t charge_limit;
    uint16_t discharge_limit;
    uint16_t cold_charge_limit;
    uint16_t open_wire_every; /* cycles */
    uint16_t open_wire_threshold;
    uint16_t balance_start;
    uint16_t balance_stop;
    uint32_t balance_every_us;
    uint32_t shunt_nohm;
    uint16_t ntc_counts[NTC_POINTS]; /* falling, at -40, -35 ... +120 degC */
};

/* Read a page; false if it is damaged or asks for what cannot be. */
bool params_decode(struct params *self, const uint8_t *page, size_t size);

#endif
