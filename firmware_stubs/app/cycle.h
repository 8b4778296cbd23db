/* The board's programs: a measurement cycle, the end of a bleed, the care for the watchdog.
 *
 * A cycle that starts at t:
 *
 *     t            wake the front ends and configure them, if they may have slept
 *                  once a second: read the configuration back
 *                  MUTE, and the inputs settle
 *     t + settle   ADCV; 2.4 ms later read the cells, then the shunt
 *                  once a second: the auxiliary inputs, 3.9 ms
 *                  now and then: the open-wire scan, 9.6 ms
 *                  judge, decide, write the bleed switches, UNMUTE, tell the host
 */
#ifndef CYCLE_H
#define CYCLE_H

#include <stdint.h>

#include "bms.h"

/* Begin cycle `number`, counted from power-up. */
void cycle_start(struct bms *self, uint64_t number);

/* Switch off the bleeds whose time is over. */
void cycle_end_bleeds(struct bms *self);

/* Let the front ends hear something, and look whether they still do what they were told. */
void cycle_keep_alive(struct bms *self);

#endif
