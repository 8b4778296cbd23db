#include "thermistor.h"

enum { COLDEST = -400, STEP = 50 }; /* 0.1 degC */

int16_t thermistor_degc(const uint16_t counts[NTC_POINTS], uint16_t reading) {
    if (reading > counts[0] || reading < counts[NTC_POINTS - 1]) {
        return UNKNOWN_TEMPERATURE;
    }
    int32_t hotter = 1;
    while (reading < counts[hotter]) {
        hotter++;
    }
    const int32_t span = counts[hotter - 1] - counts[hotter];
    const int32_t above = reading - counts[hotter];
    return (int16_t)(COLDEST + STEP * hotter - (STEP * above + span / 2) / span);
}
