/* Made by tests/firmware/strategy_tables.py from hil/balancing: change it there. */
#ifndef LFP_TABLES_H
#define LFP_TABLES_H

#include "strategy.h"

_Static_assert(CAPACITY_AH == 100, "what these tables are made for");

/* The open-circuit voltage after a charge, 0.01 mV; what a cell with it lacks to full,
 * in units of 10 uA s; and how much less that is for each 0.01 mV more. */
enum { TO_FULL_ENTRIES = 4 };

static const struct {
    int32_t voltage;
    uint32_t lacks;
    uint32_t per_voltage;
} TO_FULL[TO_FULL_ENTRIES] = {
    {337100, 720000000, 257143},
    {338500, 360000000, 48649},
    {342200, 180000000, 13043},
    {356000, 0, 0},
};

#endif
