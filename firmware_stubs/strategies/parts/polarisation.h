/* What a current makes of a cell's voltage: the model of hil/balancing/polarisation.py in integers. */
#ifndef POLARISATION_H
#define POLARISATION_H

#include "strategy.h"

/* What the slow diffusion has come to: a current that follows the pack's with 400 s. */
struct slowed {
    int32_t fine; /* 1/1024 mA: in whole ones, decided every second, it would stop 400 mA short */
    uint32_t at_s;
    bool has_begun;
};

/* Let it follow until now, by the current of now; an unknown one leaves nothing. */
void slowed_follow(struct slowed *self, uint32_t time_s, int32_t milliamps);

int32_t slowed_milliamps(const struct slowed *self);

/* By how much a discharge lowers each cell, 0.01 mV; negative in charge. Both currents below 200 A;
 * temperatures in 0.01 degC, held at -25 and +65 degC. */
void polarisation_of_cells(int32_t milliamps, int32_t slow_ma, const int32_t centi_degc[CELLS],
                           int32_t eta[CELLS]);

#endif
