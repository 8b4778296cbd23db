/* The four functions that a compiler may call by itself, since there is no C library here. */
#include <stdint.h>
#include <string.h>

void *memcpy(void *restrict to, const void *restrict from, size_t size) {
    uint8_t *at = to;
    const uint8_t *source = from;
    while (size-- > 0) {
        *at++ = *source++;
    }
    return to;
}

void *memset(void *to, int value, size_t size) {
    uint8_t *at = to;
    while (size-- > 0) {
        *at++ = (uint8_t)value;
    }
    return to;
}

void *memmove(void *to, const void *from, size_t size) {
    uint8_t *at = to;
    const uint8_t *source = from;
    if (at < source) {
        return memcpy(to, from, size); /* first byte first: what is overwritten was read */
    }
    while (size-- > 0) {
        at[size] = source[size];
    }
    return to;
}

int memcmp(const void *one, const void *other, size_t size) {
    const uint8_t *left = one;
    const uint8_t *right = other;
    for (size_t i = 0; i < size; i++) {
        if (left[i] != right[i]) {
            return left[i] < right[i] ? -1 : 1;
        }
    }
    return 0;
}
