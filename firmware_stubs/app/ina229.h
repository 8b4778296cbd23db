/* INA229: the voltage across the shunt, by SPI. */
#ifndef INA229_H
#define INA229_H

#include <stdbool.h>
#include <stdint.h>

/* Write the read of the shunt voltage; returns how many bytes it has, as has the answer. */
uint32_t ina229_read_shunt(uint8_t *out);

/* Take the shunt voltage (312.5 nV a count) out of an answer; false if no INA229 gave it. */
bool ina229_shunt(const uint8_t *answer, int32_t *counts);

/* Write the read of the device number, and say whether the answer is an INA229's. */
uint32_t ina229_read_identity(uint8_t *out);
bool ina229_is_there(const uint8_t *answer);

/* Current in mA, rounded, of a shunt voltage; kept to the 24 bits that the bus has for it. */
int32_t ina229_milliamps(int32_t counts, uint32_t shunt_nohm);

#endif
