/* Bytes on their way out of the board: a ring between who says something and a line that is busy.
 *
 * One writer and one reader, who may be an interrupt: each moves its own index only, and an index
 * counts on for ever, so that "full" and "empty" cannot be taken for each other.
 */
#ifndef QUEUE_H
#define QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { QUEUE_SIZE = 8192 }; /* a power of two; three cycles of the largest board as slcan text */

struct queue {
    volatile uint32_t written;
    volatile uint32_t taken;
    uint8_t bytes[QUEUE_SIZE];
};

/* How many bytes wait. */
static inline uint32_t queue_waiting(const struct queue *self) {
    return self->written - self->taken;
}

static inline bool queue_is_full(const struct queue *self) {
    return queue_waiting(self) == QUEUE_SIZE;
}

/* Put all of `data`, or nothing where it does not fit: no line loses its end. Says which. */
static inline bool queue_put(struct queue *self, const uint8_t *data, size_t size) {
    uint32_t at = self->written;
    if (size > QUEUE_SIZE - queue_waiting(self)) {
        return false;
    }
    for (size_t i = 0; i < size; i++) {
        self->bytes[at++ % QUEUE_SIZE] = data[i];
    }
    self->written = at; /* last: a reader sees no byte before it is there */
    return true;
}

/* The bytes that wait and stand in one piece; queue_drop() takes what was used of them. */
static inline const uint8_t *queue_front(const struct queue *self, size_t *size) {
    uint32_t at = self->taken % QUEUE_SIZE;
    uint32_t piece = QUEUE_SIZE - at;
    uint32_t waiting = queue_waiting(self);
    *size = waiting < piece ? waiting : piece;
    return &self->bytes[at];
}

static inline void queue_drop(struct queue *self, size_t size) {
    self->taken += (uint32_t)size;
}

#endif
