#include "temperatures.h"

_Static_assert((NTCS - 1) % 2 == 1, "or places may lie halfway, where Python rounds to even");

/* The cell that an NTC sits on, from 0: spread evenly, rounded. */
static int32_t place_of(int32_t ntc) {
    return (2 * ntc * (CELLS - 1) + (NTCS - 1)) / (2 * (NTCS - 1));
}

/* 0.1 degC to hundredths, with the mean of the known ones for the others. */
static bool fill(const int16_t ntcs[NTCS], int32_t filled[NTCS]) {
    int32_t sum = 0;
    int32_t known = 0;
    for (uint32_t ntc = 0; ntc < NTCS; ntc++) {
        if (ntcs[ntc] != UNKNOWN_TEMPERATURE) {
            sum += ntcs[ntc];
            known++;
        }
    }
    if (known == 0) {
        return false;
    }
    for (uint32_t ntc = 0; ntc < NTCS; ntc++) {
        filled[ntc] = 10 * (ntcs[ntc] != UNKNOWN_TEMPERATURE ? ntcs[ntc] : 0);
        if (ntcs[ntc] == UNKNOWN_TEMPERATURE) {
            filled[ntc] = 10 * sum / known;
        }
    }
    return true;
}

bool temperatures_of_cells(const int16_t ntcs[NTCS], int32_t centi_degc[CELLS]) {
    int32_t filled[NTCS];
    if (!fill(ntcs, filled)) {
        return false;
    }
    for (int32_t ntc = 0; ntc + 1 < NTCS; ntc++) {
        const int32_t first = place_of(ntc);
        const int32_t span = place_of(ntc + 1) - first;
        const int32_t rise = filled[ntc + 1] - filled[ntc];
        for (int32_t step = 0; step <= span; step++) {
            centi_degc[first + step] = filled[ntc] + rise * step / span;
        }
    }
    return true;
}
