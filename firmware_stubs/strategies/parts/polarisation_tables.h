/* Made by tests/firmware/strategy_tables.py from hil/balancing: change it there. */
#ifndef POLARISATION_TABLES_H
#define POLARISATION_TABLES_H

#include "strategy.h"

_Static_assert(CAPACITY_AH == 100, "what these tables are made for");

enum { TEMPERATURES = 19, ASINH_ENTRIES = 89, ASINH_FIRST = -7168, ASINH_STEP = 128 };
enum { KEPT_ENTRIES = 12 };
/* ln 2 in 1/65536; ln of 2^31 mA over the capacity, 1/1024; 2R/F, 0.01 mV for 0.01 K */
enum { LOG_OF_2 = 45426, LOG_OF_HIGHEST_BIT = 10214, THERMAL = 11295 };

/* at -25 degC and every 5 K: 0.01 mV a mA in 1/65536, by what flows and what flew */
static const int16_t PROMPT_OHM[TEMPERATURES] = {
    6399, 6116, 5869, 5652, 4839, 4048, 3703, 3374, 3037, 2712, 2399, 2195, 1999, 1811, 1646,
    1488, 1334, 1285, 1241,
};
static const int16_t SLOW_OHM[TEMPERATURES] = {
    2490, 2490, 2490, 2490, 1769, 1049, 724, 400, 295, 190, 85, 58, 31, 5, 5, 5, 5, 5, 5,
};

/* ln of twice the exchange current over the capacity, 1/1024 */
static const int16_t LOG_OF_EXCHANGE_A[TEMPERATURES] = {
    -5104, -4567, -4052, -3556, -3079, -2619, -2175, -1748, -1335, -936, -551, -178, 182, 532,
    870, 1197, 1515, 1823, 2122,
};
static const int16_t LOG_OF_EXCHANGE_B[TEMPERATURES] = {
    -2809, -2459, -2122, -1799, -1487, -1187, -898, -619, -349, -89, 163, 406, 641, 869, 1090,
    1303, 1511, 1712, 1907,
};

/* ln of 1 to 2, 1/1024 */
static const int16_t LOG_OF_MANTISSA[33] = {
    0, 32, 62, 92, 121, 149, 176, 203, 228, 254, 278, 303, 326, 349, 372, 394, 415, 436, 457, 477,
    497, 517, 536, 555, 573, 591, 609, 626, 644, 661, 677, 694, 710,
};

/* asinh(exp(x)), 1/4096 */
static const int16_t ASINH_OF_EXP[ASINH_ENTRIES] = {
    4, 4, 5, 5, 6, 7, 8, 9, 10, 12, 13, 15, 17, 19, 21, 24, 28, 31, 35, 40, 46, 52, 58, 66, 75,
    85, 96, 109, 124, 140, 159, 180, 204, 231, 262, 296, 336, 380, 431, 488, 553, 626, 708, 801,
    907, 1025, 1158, 1307, 1475, 1662, 1869, 2099, 2353, 2631, 2933, 3260, 3610, 3983, 4377, 4790,
    5220, 5665, 6123, 6590, 7067, 7551, 8041, 8535, 9033, 9534, 10038, 10543, 11050, 11558, 12066,
    12576, 13086, 13596, 14107, 14618, 15130, 15641, 16153, 16664, 17176, 17688, 18200, 18712,
    19223,
};

/* exp(-2^k s / 400 s), 1/65536 */
static const uint32_t KEPT[KEPT_ENTRIES] = {
    65372, 65209, 64884, 64238, 62966, 60497, 55846, 47589, 34557, 18221, 5066, 392,
};

#endif
