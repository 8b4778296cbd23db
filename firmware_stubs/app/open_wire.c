#include "open_wire.h"

/* Between two cells of one front end: a lead that is there holds its input against the current. A
 * loose one goes with it, and the cell above reads less pulled up than pulled down. */
static bool is_inner_open(const struct params *params, const struct readings *readings,
                          uint32_t above) {
    const int32_t moved = readings->pulled_up[above] - readings->pulled_down[above];
    return moved < -(int32_t)params->open_wire_threshold;
}

/* The lowest lead of a front end, loose: its input goes up to the next one, and the cell between
 * them reads nothing. Pulled down it must read something: else the cell is just empty. */
static bool is_lowest_open(const struct params *params, const struct readings *readings,
                           uint32_t cell) {
    const uint32_t limit = params->open_wire_threshold;
    return readings->pulled_up[cell] < limit &&
           readings->pulled_down[cell] > readings->pulled_up[cell] + limit;
}

/* The highest lead of a front end: the same upside down. */
static bool is_highest_open(const struct params *params, const struct readings *readings,
                            uint32_t cell) {
    const uint32_t limit = params->open_wire_threshold;
    return readings->pulled_down[cell] < limit &&
           readings->pulled_up[cell] > readings->pulled_down[cell] + limit;
}

static bool is_seen(const struct params *params, uint32_t failed, uint32_t cell) {
    return (failed >> cell / params->cells_per_front_end & 1) == 0;
}

/* Two front ends share the lead between them: the highest of one is the lowest of the next. */
static bool is_outer_open(const struct params *params, const struct readings *readings,
                          uint32_t failed, uint32_t lead) {
    const bool lowest = lead < params->cells && is_seen(params, failed, lead) &&
                        is_lowest_open(params, readings, lead);
    const bool highest = lead > 0 && is_seen(params, failed, lead - 1) &&
                         is_highest_open(params, readings, lead - 1);
    return lowest || highest;
}

void open_wire_find(const struct params *params, const struct readings *readings, uint32_t failed,
                    bool open[MAX_CELLS + 1]) {
    for (uint32_t lead = 0; lead <= params->cells; lead++) {
        const bool is_outer = lead % params->cells_per_front_end == 0 || lead == params->cells;
        const bool below = lead > 0 && is_seen(params, failed, lead - 1);
        const bool above = lead < params->cells && is_seen(params, failed, lead);
        if (is_outer && (below || above)) {
            open[lead] = is_outer_open(params, readings, failed, lead);
        } else if (!is_outer && above) {
            open[lead] = is_inner_open(params, readings, lead);
        }
    }
}
