/* The daisy chain of front ends: steps that wake, configure, check, convert and read it. */
#ifndef CHAIN_H
#define CHAIN_H

#include <stdbool.h>
#include <stdint.h>

#include "bms.h"
#include "program.h"

enum {
    CHAIN_KEEP_ALIVE_US = 1000000, /* half the watchdog's time */
    CHAIN_ASLEEP_US = 1500000,     /* after so long in silence they may sleep: it takes 2 s */
};

/* A front end that failed in this many cycles in a row is silent. */
enum { CHAIN_STRIKES = 3 };

/* For `begin` of a step: a transfer of a command alone. */
enum action chain_command(struct bms *self, struct bms_out *out, uint32_t code);

/* For `begin`: read a register group of all front ends that have not failed yet. */
enum action chain_read(struct bms *self, struct bms_out *out, uint32_t code);

/* For `take` of a read: hand over the group of each front end that has answered well. A group that
 * `store` does not believe, or whose PEC is wrong, is read once more; then its front end has failed
 * for this cycle. Returns true to read again. */
bool chain_take(struct bms *self, const uint8_t *answer,
                bool (*store)(struct bms *self, uint32_t chip, const uint8_t *group));

/* All front ends of this board as a mask, and those of them that are silent. */
uint32_t chain_all(const struct bms *self);
uint32_t chain_silent(const struct bms *self);

/* Count the cycle's failures. */
void chain_judge(struct bms *self);

/* Say whether any bleed switch is on: then the front ends must be kept awake. */
bool chain_bleeds(const struct bms *self);

/* Steps. They do nothing when there is nothing to do. */
enum action chain_wake(struct bms *self, struct bms_out *out);
enum action chain_write_a(struct bms *self, struct bms_out *out);
enum action chain_write_b(struct bms *self, struct bms_out *out);
enum action chain_check_a(struct bms *self, struct bms_out *out);
enum action chain_check_b(struct bms *self, struct bms_out *out);
bool chain_take_check_a(struct bms *self, const uint8_t *answer);
bool chain_take_check_b(struct bms *self, const uint8_t *answer);

#endif
