/* The end of a cycle: from readings to bleeds, and what the host is told. */
#ifndef JUDGE_H
#define JUDGE_H

#include <stdbool.h>
#include <stdint.h>

#include "bms.h"

/* A stack whose cells all read less is not connected: nothing to balance, no lead to look for. */
bool judge_is_connected(const struct bms *self);

/* Judge the readings of this cycle and decide what bleeds. */
void judge_cycle(struct bms *self);

/* Put what the host has to know into `out`. */
void judge_report(struct bms *self, struct bms_out *out);

#endif
