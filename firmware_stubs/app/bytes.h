/* Numbers in bytes, both ways: CAN and the registers are little-endian, PEC is big-endian. */
#ifndef BYTES_H
#define BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* memcmp() would be one more function that a bare machine has to bring along. */
static inline bool is_same(const uint8_t *one, const uint8_t *other, size_t size) {
    for (size_t i = 0; i < size; i++) {
        if (one[i] != other[i]) {
            return false;
        }
    }
    return true;
}

static inline uint16_t get_le16(const uint8_t *at) {
    return (uint16_t)(at[0] | at[1] << 8);
}

static inline uint32_t get_le32(const uint8_t *at) {
    return get_le16(at) | (uint32_t)get_le16(at + 2) << 16;
}

static inline uint16_t get_be16(const uint8_t *at) {
    return (uint16_t)(at[0] << 8 | at[1]);
}

static inline void put_le16(uint8_t *at, uint32_t value) {
    at[0] = (uint8_t)value;
    at[1] = (uint8_t)(value >> 8);
}

static inline void put_le32(uint8_t *at, uint32_t value) {
    put_le16(at, value);
    put_le16(at + 2, value >> 16);
}

static inline void put_be16(uint8_t *at, uint32_t value) {
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

#endif
