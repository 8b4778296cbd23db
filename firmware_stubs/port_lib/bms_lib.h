/* The firmware as a shared library: what a process that holds boards may call. */
#ifndef BMS_LIB_H
#define BMS_LIB_H

#include "../app/bms.h"

#define BMS_LIB_API __attribute__((visibility("default")))

/* Number of this interface, the layout of bms_in and bms_out included. */
BMS_LIB_API uint32_t bms_lib_abi(void);

/* How many bytes, aligned to 16, the caller has to give each board. */
BMS_LIB_API size_t bms_lib_size(void);

/* Power-up; 1 when the board runs, 0 for a parameter page that it refuses. */
BMS_LIB_API int bms_lib_init(void *self, uint64_t now_us, const uint8_t *page, size_t size);

/* As bms_step(). */
BMS_LIB_API void bms_lib_step(void *self, uint64_t now_us, const struct bms_in *in,
                              struct bms_out *out);

#endif
