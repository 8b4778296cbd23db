/* What the board says: one function a message, each frame counted and sealed. */
#ifndef TELEMETRY_H
#define TELEMETRY_H

#include <stdbool.h>
#include <stdint.h>

#include "bms.h"
#include "params.h"
#include "protection.h"
#include "readings.h"

enum board_state { STATE_STARTING = 0, STATE_NORMAL = 1, STATE_FAULT = 2 };

struct status {
    uint32_t cycle;
    int32_t milliamps;
    enum board_state state;
    bool charge_allowed;
    bool discharge_allowed;
};

/* The alive counter of each message. */
struct telemetry {
    uint8_t cells[MAX_FRONT_ENDS];
    uint8_t status;
    uint8_t faults;
    uint8_t temperatures;
    uint8_t limits;
    uint8_t bleeds;
    uint8_t identity;
};

/* All cells, front end by front end: all pages of a cycle leave together, with counters in a row.
 * That is how a host knows that they belong together. */
void telemetry_cells(struct telemetry *self, struct bms_out *out, const struct params *params,
                     const struct readings *readings);

/* The board's temperature, then those of the NTCs. */
void telemetry_temperatures(struct telemetry *self, struct bms_out *out,
                            const struct params *params, const struct readings *readings);

/* The duties that the bleed switches are driven with. */
void telemetry_bleeds(struct telemetry *self, struct bms_out *out, const struct params *params,
                      const uint8_t *duty);

void telemetry_status(struct telemetry *self, struct bms_out *out, const struct status *status);

/* The board's faults, then those of 16 cells a page. */
void telemetry_faults(struct telemetry *self, struct bms_out *out, const struct params *params,
                      const struct outcome *outcome, uint32_t flags, uint32_t rejected);

void telemetry_limits(struct telemetry *self, struct bms_out *out, const struct outcome *outcome);

void telemetry_identity(struct telemetry *self, struct bms_out *out, const struct params *params);

#endif
