/* The two functions that a compiler calls by itself, since there is no C library here. */
#include <stdint.h>
#include <string.h>

void *memcpy(void *restrict to, const void *restrict from, size_t size)
{
    uint8_t *at = to;
    const uint8_t *source = from;
    while (size-- > 0) {
        *at++ = *source++;
    }
    return to;
}

void *memset(void *to, int value, size_t size)
{
    uint8_t *at = to;
    while (size-- > 0) {
        *at++ = (uint8_t)value;
    }
    return to;
}
