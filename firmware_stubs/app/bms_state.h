/* All that a board remembers. Private to the firmware: a port needs its size alone. */
#ifndef BMS_STATE_H
#define BMS_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include "balancing.h"
#include "bleeds.h"
#include "bms.h"
#include "commands.h"
#include "params.h"
#include "program.h"
#include "protection.h"
#include "readings.h"
#include "telemetry.h"

/* What the board knows of its front ends; in a mask, bit k is front end k + 1. */
struct chain {
    uint64_t heard_us;              /* when they were last sent a command */
    uint32_t wanted[MAX_FRONT_ENDS]; /* bleed switches as they should be */
    uint32_t written[MAX_FRONT_ENDS]; /* and as they were written last */
    uint8_t strikes[MAX_FRONT_ENDS]; /* cycles in a row in which a read failed */
    uint8_t failed;                  /* in this cycle */
    uint8_t pending;                 /* still to answer the read that is going on */
    bool is_retry;
    bool was_woken;
    bool is_stale; /* their configuration is not known to be ours */
    bool rewrites; /* all of it is being written */
};

struct bms {
    struct params params;
    struct chain chain;
    struct readings readings;
    struct protections protections;
    struct outcome outcome;
    struct commands commands;
    struct balancing balancing;
    struct bleeds bleeds;
    struct telemetry telemetry;
    struct runner runner;

    bool is_running; /* false for a board without a parameter page */
    uint64_t powered_us;
    uint64_t now_us;
    uint64_t cycle; /* counted from power-up; cycle n starts at power-up + n x cycle_us */
    uint64_t started_us;
    uint64_t connected_us; /* since when there have been cells; UINT64_MAX: there are none */
    uint64_t second; /* of the last cycle with the slow readings, and of the last scan */
    uint64_t scan;
    bool is_slow; /* this cycle reads what is read once a second */
    bool is_scan; /* this cycle looks for open leads */
    bool has_shunt; /* its monitor said who it is when it was asked last */
    uint8_t shunt_strikes;
    bool has_new_bleeds; /* to be told to the host */
    uint32_t requests;   /* that this cycle answers */
    uint32_t flags;      /* that the host was told last */
    struct outcome told;
};

static inline uint64_t bms_since_power_up(const struct bms *self) {
    return self->now_us - self->powered_us;
}

#endif
