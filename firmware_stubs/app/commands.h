/* What the board hears: bleed commands and requests, if they can be trusted. */
#ifndef COMMANDS_H
#define COMMANDS_H

#include <stdbool.h>
#include <stdint.h>

#include "bms.h"
#include "e2e.h"
#include "params.h"

enum { DUTY_COUNTS = 200, DUTIES_A_PAGE = 6, MAX_DUTY_PAGES = 11 };

enum request_code {
    REQUEST_IDENTIFY = 1,
    REQUEST_CLEAR_FAULTS = 2,
    REQUEST_REPORT_BLEEDS = 3,
    REQUEST_BALANCE = 4,
};

struct commands {
    struct e2e_receiver bleed;
    struct e2e_receiver request;
    uint64_t heard_us;     /* the last complete set of duties */
    uint64_t bad_until_us; /* when a rejected frame is forgotten */
    uint32_t rejected;
    uint8_t requests; /* one bit a code, since the last cycle */
    uint8_t next_page;
    uint8_t alive; /* of the page before */
    uint8_t pages[MAX_DUTY_PAGES * DUTIES_A_PAGE];
    uint8_t duty[MAX_CELLS]; /* what the host asks for, in counts of 1/200 */
    bool has_host;           /* else the board balances by itself, if it does so at all */
    bool is_lost;
};

/* Take one frame from the bus; a bad one changes nothing but the count. */
void commands_hear(struct commands *self, const struct params *params,
                   const struct bms_frame *frame, uint64_t now_us);

/* Stop bleeding when no command has come for too long. A host that never asked for a bleed owes
 * the board nothing. */
void commands_watch(struct commands *self, const struct params *params, uint64_t now_us);

/* Return the requests since the last call, and do what needs no answer. */
uint32_t commands_take_requests(struct commands *self);

/* The fault bits of the commands. */
uint32_t commands_flags(const struct commands *self, uint64_t now_us);

#endif
