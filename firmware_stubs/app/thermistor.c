#include "thermistor.h"

enum { COLDEST = -400, HOTTEST = 1200, STEP = 50 }; /* 0.1 degC */

/* A short reads nothing, an open lead the supply. What lies between those and the ends of the curve
 * is an NTC yet, only hotter or colder than the curve goes. */
static bool is_broken(const uint16_t counts[NTC_POINTS], int32_t reading) {
    const int32_t coldest = counts[0], hottest = counts[NTC_POINTS - 1];
    return reading > coldest + (coldest - counts[1]) || reading <= hottest / 4;
}

int16_t thermistor_degc(const uint16_t counts[NTC_POINTS], uint16_t reading) {
    if (is_broken(counts, reading)) {
        return UNKNOWN_TEMPERATURE;
    }
    /* a cell on fire must not pass for one that nobody knows */
    if (reading >= counts[0]) {
        return COLDEST;
    }
    if (reading <= counts[NTC_POINTS - 1]) {
        return HOTTEST;
    }
    int32_t hotter = 1;
    while (reading < counts[hotter]) {
        hotter++;
    }
    const int32_t span = counts[hotter - 1] - counts[hotter];
    const int32_t above = reading - counts[hotter];
    return (int16_t)(COLDEST + STEP * hotter - (STEP * above + span / 2) / span);
}
