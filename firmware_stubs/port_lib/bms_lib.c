#include "bms_lib.h"

#include "../app/bms_state.h"

enum { ABI = 1 };

uint32_t bms_lib_abi(void) {
    return ABI;
}

size_t bms_lib_size(void) {
    return sizeof(struct bms);
}

int bms_lib_init(void *self, uint64_t now_us, const uint8_t *page, size_t size) {
    return bms_init(self, now_us, page, size);
}

void bms_lib_step(void *self, uint64_t now_us, const struct bms_in *in, struct bms_out *out) {
    bms_step(self, now_us, in, out);
}
