/* Bit by bit: a wrong entry in a table of 256 would stay where no test of a few frames goes. */
#include "pec15.h"

enum { POLYNOMIAL = 0x4599, SEED = 0x0010, TOP_BIT = 0x4000, FIFTEEN_BITS = 0x7FFF };

uint16_t pec15(const uint8_t *bytes, size_t size) {
    uint32_t remainder = SEED;
    for (size_t i = 0; i < size; i++) {
        remainder ^= (uint32_t)bytes[i] << 7;
        for (int bit = 0; bit < 8; bit++) {
            remainder = remainder << 1 ^ (remainder & TOP_BIT ? POLYNOMIAL : 0u);
        }
        remainder &= FIFTEEN_BITS;
    }
    return (uint16_t)(remainder << 1);
}
