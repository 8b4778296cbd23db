/* Frames are checked as they come and answered at the end of a cycle: a host that talks faster than
 * the board measures gets no more out of it, and slows nothing down.
 */
#include "commands.h"

#include <string.h>

#include "protection.h"

enum { ID_BLEED_COMMAND = 0x0C0, ID_REQUEST = 0x0D0, NO_PAGE = 0xFF };

/* Shown for as long as a command may take: a host that sees it in time still has its bleeds. */
static void reject(struct commands *self, const struct params *params, uint64_t now_us) {
    self->rejected += self->rejected < UINT32_MAX;
    self->bad_until_us = now_us + params->command_timeout_us;
}

static bool is_every_duty_valid(const uint8_t *duty, uint32_t cells) {
    for (uint32_t cell = 0; cell < cells; cell++) {
        if (duty[cell] > DUTY_COUNTS) {
            return false;
        }
    }
    return true;
}

/* Gather the pages: only an unbroken sequence from page 0 makes a set. Returns true on the last. */
static bool add_page(struct commands *self, const uint8_t *frame, uint32_t pages) {
    const uint8_t alive = frame[1] & 0x0F, page = frame[1] >> 4;
    if (page == 0) {
        self->next_page = 0;
    }
    if (page != self->next_page || page >= pages || (page && alive != e2e_next(self->alive))) {
        self->next_page = NO_PAGE;
        return false;
    }
    memcpy(self->pages + DUTIES_A_PAGE * page, frame + 2, DUTIES_A_PAGE);
    self->alive = alive;
    self->next_page++;
    return self->next_page == pages;
}

/* Take a whole set over if every duty in it exists. */
static bool take_duties(struct commands *self, const struct params *params, const uint8_t *frame,
                        uint64_t now_us) {
    const uint32_t pages = (params->cells + DUTIES_A_PAGE - 1u) / DUTIES_A_PAGE;
    if (!add_page(self, frame, pages)) {
        return true;
    }
    if (!is_every_duty_valid(self->pages, params->cells)) {
        return false;
    }
    memcpy(self->duty, self->pages, params->cells);
    self->heard_us = now_us;
    self->has_host = true;
    self->is_lost = false;
    /* requests wait for the end of the cycle: one that came before these duties is out of date */
    self->requests &= (uint8_t)~(1u << REQUEST_BALANCE);
    return true;
}

static bool take_request(struct commands *self, const uint8_t *frame) {
    const uint8_t code = frame[2];
    if (code < REQUEST_IDENTIFY || code > REQUEST_BALANCE) {
        return false;
    }
    self->requests |= (uint8_t)(1u << code);
    return true;
}

void commands_hear(struct commands *self, const struct params *params,
                   const struct bms_frame *frame, uint64_t now_us) {
    bool is_good = true;
    if (frame->id == ID_BLEED_COMMAND) {
        is_good = e2e_accept(&self->bleed, frame->id, frame->data, frame->length) &&
                  take_duties(self, params, frame->data, now_us);
    } else if (frame->id == ID_REQUEST) {
        is_good = e2e_accept(&self->request, frame->id, frame->data, frame->length) &&
                  take_request(self, frame->data);
    }
    if (!is_good) {
        reject(self, params, now_us);
    }
}

static bool asks_for_bleeds(const struct commands *self) {
    for (uint32_t cell = 0; cell < MAX_CELLS; cell++) {
        if (self->duty[cell]) {
            return true;
        }
    }
    return false;
}

void commands_watch(struct commands *self, const struct params *params, uint64_t now_us) {
    if (now_us - self->heard_us > params->command_timeout_us && asks_for_bleeds(self)) {
        memset(self->duty, 0, sizeof self->duty);
        self->is_lost = true;
    }
}

static bool asks(uint32_t requests, enum request_code code) {
    return requests >> code & 1;
}

uint32_t commands_take_requests(struct commands *self) {
    const uint32_t requests = self->requests;
    self->requests = 0;
    if (asks(requests, REQUEST_CLEAR_FAULTS)) {
        self->is_lost = false;
        self->bad_until_us = 0;
    }
    if (asks(requests, REQUEST_BALANCE)) {
        memset(self->duty, 0, sizeof self->duty);
        self->has_host = false;
        self->is_lost = false;
    }
    return requests;
}

uint32_t commands_flags(const struct commands *self, uint64_t now_us) {
    return (self->is_lost ? FLAG_COMMAND_LOST : 0u) |
           (now_us < self->bad_until_us ? FLAG_BAD_COMMAND : 0u);
}
