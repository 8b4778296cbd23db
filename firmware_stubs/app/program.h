/* Programs: sequences of steps that wait for the bus and for time without holding up the caller.
 *
 * A step is a small loop: `begin` is called in rounds 0, 1, 2 ... and starts a transfer, waits, or
 * says that the step is over. The answer of a transfer goes to `take`.
 */
#ifndef PROGRAM_H
#define PROGRAM_H

#include <stdbool.h>
#include <stdint.h>

#include "bms.h"

enum action {
    STEP_DONE, /* go on with the next step, at once */
    STEP_SEND, /* a transfer is in `out`: call again with the next round when it is answered */
    STEP_WAIT, /* call again with the next round at `resume_us` */
};

struct step {
    enum action (*begin)(struct bms *self, struct bms_out *out);
    bool (*take)(struct bms *self, const uint8_t *answer); /* true: this round once more */
};

struct runner {
    const struct step *step; /* NULL: nothing is going on; a step without `begin` ends a program */
    uint32_t round;
    uint32_t expected;    /* bytes of the transfer that is going on, or 0 */
    uint64_t deadline_us; /* when it counts as lost */
    uint64_t resume_us;
    bool is_waiting;
    bool is_cut_off; /* an answer was lost: none is asked for until the next program */
};

/* Start a program; its last step is {0}. */
void program_start(struct bms *self, const struct step *program);

/* Run up to now_us. Returns true when the program is over; else `out` has the transfer and the time
 * of the next call. */
bool program_run(struct bms *self, const struct bms_in *in, struct bms_out *out);

/* For `begin`: wait for so long. */
enum action program_wait(struct bms *self, uint32_t us);

#endif
