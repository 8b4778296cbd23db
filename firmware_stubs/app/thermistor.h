/* NTC dividers: from the voltage of the auxiliary input to a temperature. */
#ifndef THERMISTOR_H
#define THERMISTOR_H

#include <stdint.h>

#include "params.h"

enum { UNKNOWN_TEMPERATURE = -0x8000 };

/* Temperature in 0.1 degC, straight between the points of a table that falls. Outside of it nothing
 * is known: that is where an open or a shorted NTC ends up. */
int16_t thermistor_degc(const uint16_t counts[NTC_POINTS], uint16_t reading);

#endif
