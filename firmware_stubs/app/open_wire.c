#include "open_wire.h"

/* Between two cells of one front end: a lead that is there holds its input against the current. A
 * loose one goes with it, and the cell above reads less pulled up than pulled down. */
static bool is_inner_open(const struct params *params, const struct readings *readings,
                          uint32_t above) {
    const int32_t moved = readings->pulled_up[above] - readings->pulled_down[above];
    return moved < -(int32_t)params->open_wire_threshold;
}

/* The lowest lead of a front end, loose, goes up to the one above it, the highest one down to the
 * one below: the cell in between reads nothing. Two front ends share the lead between them. */
static bool is_outer_open(const struct readings *readings, uint32_t lead, bool below, bool above) {
    const bool is_lowest = above && readings->pulled_up[lead] == 0;
    const bool is_highest = below && readings->pulled_down[lead - 1] == 0;
    return is_lowest || is_highest;
}

void open_wire_find(const struct params *params, const struct readings *readings, uint32_t failed,
                    bool open[MAX_CELLS + 1]) {
    const uint32_t each = params->cells_per_front_end;
    for (uint32_t lead = 0; lead <= params->cells; lead++) {
        /* the cells at a lead, where there is one and its front end was heard */
        const bool below = lead > 0 && (failed >> (lead - 1) / each & 1) == 0;
        const bool above = lead < params->cells && (failed >> lead / each & 1) == 0;
        const bool is_outer = lead % each == 0 || lead == params->cells;
        if (is_outer && (below || above)) {
            open[lead] = is_outer_open(readings, lead, below, above);
        } else if (!is_outer && above) {
            open[lead] = is_inner_open(params, readings, lead);
        }
    }
}
