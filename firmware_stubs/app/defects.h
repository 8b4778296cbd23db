/* Seeded defects: faults of the firmware that a bench must find. None is there in a good build.
 *
 * Each is put in by a flag of the compiler: -DDEFECT_STUCK_BLEED and so on, -DDEFECT_CELL=n (from
 * 1) where one cell is meant, -DDEFECT_AFTER_S=n for one that comes n seconds after power-up. All
 * of them are in this file, so that nothing else has to be read to know what a good build does.
 */
#ifndef DEFECTS_H
#define DEFECTS_H

#include <stdbool.h>
#include <stdint.h>

#ifndef DEFECT_CELL
#define DEFECT_CELL 5
#endif
#ifndef DEFECT_AFTER_S
#define DEFECT_AFTER_S 0
#endif

static inline bool defect_has_come(uint64_t since_power_up_us) {
    return since_power_up_us + 1 > (uint64_t)DEFECT_AFTER_S * 1000000u;
}

/* Whether the switch of a cell (from 0) is on.
 * DEFECT_STUCK_BLEED: that of DEFECT_CELL always is. DEFECT_OFF_BY_ONE: each is that of the cell
 * below, and nobody asks for the lowest. */
static inline bool defect_cell_is_on(const uint64_t *until_us, uint32_t cell,
                                     uint64_t since_power_up_us) {
#if defined DEFECT_STUCK_BLEED
    if (cell + 1 == DEFECT_CELL && defect_has_come(since_power_up_us)) {
        return true;
    }
#elif defined DEFECT_OFF_BY_ONE
    if (defect_has_come(since_power_up_us)) {
        return cell > 0 && until_us[cell - 1] != 0;
    }
#endif
    (void)since_power_up_us;
    return until_us[cell] != 0;
}

/* DEFECT_BLEED_DURING_MEASUREMENT: bleeds are neither muted nor switched off while cells convert.
 */
static inline bool defect_bleeds_while_measuring(uint64_t since_power_up_us) {
#if defined DEFECT_BLEED_DURING_MEASUREMENT
    return defect_has_come(since_power_up_us);
#else
    (void)since_power_up_us;
    return false;
#endif
}

/* DEFECT_NTC_SIGN: a temperature of the wrong sign. */
static inline int16_t defect_degc(int16_t degc, uint64_t since_power_up_us) {
#if defined DEFECT_NTC_SIGN
    if (defect_has_come(since_power_up_us) && degc != INT16_MIN) {
        return (int16_t)-degc;
    }
#endif
    (void)since_power_up_us;
    return degc;
}

/* DEFECT_STATUS_LOST: neither status nor faults are sent while a front end is silent. */
static inline bool defect_loses_status(uint32_t silent, uint64_t since_power_up_us) {
#if defined DEFECT_STATUS_LOST
    return silent != 0 && defect_has_come(since_power_up_us);
#else
    (void)silent;
    (void)since_power_up_us;
    return false;
#endif
}

/* DEFECT_PEC_NOT_CHECKED: what a front end answers is believed whatever its check says. */
static inline bool defect_believes_all(void) {
#if defined DEFECT_PEC_NOT_CHECKED
    return true;
#else
    return false;
#endif
}

#endif
