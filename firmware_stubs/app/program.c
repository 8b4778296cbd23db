#include "program.h"

#include <string.h>

#include "bms_state.h"

/* An SPI transfer takes 0.1 ms, and on a real bus its answer comes while it goes out. Where the
 * chips are in another program the answer is late when that program is, and a busy host must not
 * make silent front ends of it: what has no answer after so long is a program that has died. */
enum { ANSWER_US = 500000 };

void program_start(struct bms *self, const struct step *program) {
    self->runner = (struct runner){.step = program};
}

enum action program_wait(struct bms *self, uint32_t us) {
    self->runner.resume_us = self->now_us + us;
    return STEP_WAIT;
}

/* An answer that never came is what a dead bus gives: ones, that fail every check. */
static void take_answer(struct bms *self, const uint8_t *answer) {
    uint8_t ones[BMS_MAX_SPI];
    if (!answer) {
        memset(ones, 0xFF, sizeof ones);
        self->chain.is_stale = true; /* it may have been a configuration */
    }
    struct runner *runner = &self->runner;
    runner->expected = 0;
    const bool again = runner->step->take && runner->step->take(self, answer ? answer : ones);
    runner->round += again ? 0 : 1;
}

/* Say whether the program must go on waiting, for an answer or for its time. */
static bool is_held(struct bms *self, const struct bms_in *in) {
    struct runner *runner = &self->runner;
    if (runner->expected) {
        if (in->spi_bytes == runner->expected) {
            take_answer(self, in->spi);
        } else if (self->now_us >= runner->deadline_us) {
            /* nobody there: what is left of the program goes on without waiting for him */
            runner->is_cut_off = true;
            take_answer(self, NULL);
        }
        return runner->expected != 0;
    }
    if (runner->is_waiting && self->now_us >= runner->resume_us) {
        runner->is_waiting = false;
        runner->round++;
    }
    return runner->is_waiting;
}

static void begin_round(struct bms *self, struct bms_out *out) {
    struct runner *runner = &self->runner;
    switch (runner->step->begin(self, out)) {
    case STEP_SEND:
        if (runner->is_cut_off) {
            out->spi_bytes = 0;
            take_answer(self, NULL);
        } else {
            runner->expected = out->spi_bytes;
            runner->deadline_us = self->now_us + ANSWER_US;
        }
        break;
    case STEP_WAIT:
        runner->is_waiting = true;
        break;
    default:
        runner->step++;
        runner->round = 0;
    }
}

bool program_run(struct bms *self, const struct bms_in *in, struct bms_out *out) {
    struct runner *runner = &self->runner;
    if (runner->step && is_held(self, in)) {
        out->wake_us = runner->expected ? runner->deadline_us : runner->resume_us;
        return false;
    }
    while (runner->step && runner->step->begin) {
        begin_round(self, out);
        if (runner->expected || runner->is_waiting) {
            out->wake_us = runner->expected ? runner->deadline_us : runner->resume_us;
            return false;
        }
    }
    runner->step = NULL;
    return true;
}
