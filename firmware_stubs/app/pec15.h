/* The packet error code of the LTC68xx family. */
#ifndef PEC15_H
#define PEC15_H

#include <stddef.h>
#include <stdint.h>

/* Over `size` bytes: polynomial 4599h, seed 0010h, 15 bits and a 0 behind them. */
uint16_t pec15(const uint8_t *bytes, size_t size);

#endif
