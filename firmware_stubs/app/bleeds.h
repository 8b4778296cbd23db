/* The bleed switches: which are on, and until when. */
#ifndef BLEEDS_H
#define BLEEDS_H

#include <stdbool.h>
#include <stdint.h>

#include "params.h"

#define BLEEDS_NEVER UINT64_MAX

struct bleeds {
    uint64_t until_us[MAX_CELLS]; /* 0: off, BLEEDS_NEVER: until the next decision */
    uint8_t duty[MAX_CELLS];      /* as decided, in counts of 1/200 */
};

/* Settle which cells bleed for how long from now on; returns whether the duties changed.
 *
 * A duty is a share of the cycle without its settling time. What would reach into the next cycle
 * ends with this one: that one mutes and decides anew. */
bool bleeds_decide(struct bleeds *self, const struct params *params, const uint8_t *duty,
                   uint64_t now_us, uint64_t next_cycle_us);

/* When a bleed ends next; BLEEDS_NEVER if none does. */
uint64_t bleeds_next_end_us(const struct bleeds *self, const struct params *params);

/* Switch off what has ended by now. */
void bleeds_end(struct bleeds *self, const struct params *params, uint64_t now_us);

/* Fill `dcc` with the switches of each front end, bit 0 its lowest cell. */
void bleeds_switches(const struct bleeds *self, const struct params *params,
                     uint64_t since_power_up_us, uint32_t dcc[MAX_FRONT_ENDS]);

#endif
