/* No logarithm, exponential or root is left for run time, for three reasons.
 *
 * A transfer term is asinh(I / 2 I0(T)), and its argument spans five decades between frost and heat.
 * As a function of that argument's logarithm, ln I - ln 2 I0(T), it is smooth: a short table will do.
 * ln 2 I0 is all but straight in T, so a table in steps of 5 K will do. And ln I is needed once a
 * decision, not once a cell.
 */
#include "polarisation.h"

#include "polarisation_tables.h"

enum {
    COLDEST = -2500, /* 0.01 degC */
    SPAN = 500 * (TEMPERATURES - 1) - 1,
    /* 4096 / 500 in 1024ths: a division that an M0+ can do. 0.005 K too much at the hot end */
    PER_STEP = 8389,
};

/* Between two entries of a table, `share` of 4096 of the way. */
static int32_t between(const int16_t table[], uint32_t entry, int32_t share) {
    return table[entry] + (table[entry + 1] - table[entry]) * share / 4096;
}

/* ln of a current over the one that empties the pack in an hour, 1/1024. */
static int32_t log_of_rate(uint32_t milliamps) {
    uint32_t mantissa = milliamps;
    int32_t shifts = 0;
    while ((mantissa & 0x80000000u) == 0) { /* an M0+ cannot count leading zeros */
        mantissa <<= 1;
        shifts++;
    }
    const uint32_t entry = mantissa >> 26 & 31u;
    const int32_t share = (int32_t)(mantissa >> 14 & 4095u);
    return LOG_OF_HIGHEST_BIT - shifts * LOG_OF_2 / 64 + between(LOG_OF_MANTISSA, entry, share);
}

/* asinh(exp(log)) in 1/4096, of 1/1024. */
static int32_t asinh_of_exp(int32_t log) {
    const int32_t above = log - ASINH_FIRST;
    if (above < 0) {
        return 0; /* a thousandth, which is 0.05 mV */
    }
    const uint32_t entry = (uint32_t)above / ASINH_STEP;
    if (entry >= ASINH_ENTRIES - 1) {
        return 4 * log + LOG_OF_2 / 16; /* ln 2x: what it comes to */
    }
    return between(ASINH_OF_EXP, entry, above % ASINH_STEP * (4096 / ASINH_STEP));
}

static int32_t transfer(int32_t log_rate, uint32_t entry, int32_t share, int32_t centi_degc) {
    const int32_t sum = asinh_of_exp(log_rate - between(LOG_OF_EXCHANGE_A, entry, share)) +
                        asinh_of_exp(log_rate - between(LOG_OF_EXCHANGE_B, entry, share));
    const int32_t thermal = (27315 + centi_degc) * THERMAL / 65536; /* 2RT/F, 0.01 mV */
    return thermal * sum / 4096;
}

void polarisation_of_cells(int32_t milliamps, int32_t slow_ma, const int32_t centi_degc[CELLS],
                           int32_t eta[CELLS]) {
    const uint32_t magnitude = (uint32_t)(milliamps < 0 ? -milliamps : milliamps);
    const int32_t log_rate = magnitude == 0 ? 0 : log_of_rate(magnitude);
    for (uint32_t cell = 0; cell < CELLS; cell++) {
        int32_t above = centi_degc[cell] - COLDEST;
        above = above < 0 ? 0 : above;
        above = above > SPAN ? SPAN : above;
        const int32_t place = above * PER_STEP / 1024;
        const uint32_t entry = (uint32_t)place / 4096;
        const int32_t share = place % 4096;
        const int32_t ohmic = milliamps * between(PROMPT_OHM, entry, share) / 65536 +
                              slow_ma * between(SLOW_OHM, entry, share) / 65536;
        const int32_t lost =
            magnitude == 0 ? 0 : transfer(log_rate, entry, share, above + COLDEST);
        eta[cell] = ohmic + (milliamps < 0 ? -lost : lost);
    }
}

/* exp(-seconds / 400) in 1/65536: the product over the bits of the time. */
static uint32_t kept_after(uint32_t seconds) {
    uint32_t kept = 65536;
    if (seconds >> KEPT_ENTRIES != 0) {
        return 0;
    }
    for (uint32_t bit = 0; bit < KEPT_ENTRIES; bit++) {
        if ((seconds >> bit & 1u) != 0) {
            kept = (kept * KEPT[bit]) >> 16; /* both at most 65536, the second one less */
        }
    }
    return kept;
}

void slowed_follow(struct slowed *self, uint32_t time_s, int32_t milliamps) {
    const uint32_t passed_s = self->has_begun ? time_s - self->at_s : 0;
    if (milliamps == UNKNOWN_CURRENT) {
        self->fine = 0;
    } else {
        const int64_t kept = (int64_t)kept_after(passed_s);
        const int32_t to = milliamps * 1024;
        self->fine = to - (int32_t)((to - self->fine) * kept / 65536);
    }
    self->at_s = time_s;
    self->has_begun = true;
}

int32_t slowed_milliamps(const struct slowed *self) {
    return self->fine / 1024;
}
