/* LTC6813-1: what its commands, registers and conversions look like on a daisy chain.
 *
 * Command codes, register layout and times are those of the data sheet. Pure functions: bytes go
 * into and come out of a buffer of BMS_MAX_SPI bytes, nobody talks to a chip here.
 */
#ifndef LTC6813_H
#define LTC6813_H

#include <stdbool.h>
#include <stdint.h>

enum ltc6813_command {
    LTC6813_WRCFGA = 0x001,
    LTC6813_WRCFGB = 0x024,
    LTC6813_RDCFGA = 0x002,
    LTC6813_RDCFGB = 0x026,
    LTC6813_MUTE = 0x028,
    LTC6813_UNMUTE = 0x029,
    LTC6813_ADCV = 0x360, /* all cells, normal mode, bleeds off while they convert */
    LTC6813_ADOW = 0x328, /* the same with a current pulling the inputs */
    LTC6813_ADAX = 0x560, /* all auxiliary inputs, normal mode */
    LTC6813_CLRCELL = 0x711,
    LTC6813_CLRAUX = 0x712,
};

enum {
    LTC6813_DCP = 0x010, /* bleeds stay on while cells convert */
    LTC6813_PUP = 0x040, /* the current pulls up instead of down */

    LTC6813_GROUP_BYTES = 6,
    LTC6813_WORDS = 3,       /* of 100 uV in a register group */
    LTC6813_CELLS_US = 2400, /* conversion of all cells: 2335 us */
    LTC6813_AUX_US = 3900,   /* of all auxiliary inputs: 3862 us */
    LTC6813_WAKE_US = 400,   /* from sleep to standby, at most */
    LTC6813_NOT_CONVERTED = 0xFFFF,
};

/* Number of cells that WRCFGA holds the switches of; those of the others are in WRCFGB. */
enum { LTC6813_CELLS_IN_A = 12 };

/* The commands that read cell group `group` (0 to 5) and auxiliary group `group` (0 to 3). */
uint16_t ltc6813_rdcv(uint32_t group);
uint16_t ltc6813_rdaux(uint32_t group);

/* Write a command; returns how many bytes it has. */
uint32_t ltc6813_command(uint8_t *out, uint16_t code);

/* Write a command that reads one register group of each chip; the answer has as many bytes. */
uint32_t ltc6813_read(uint8_t *out, uint16_t code, uint32_t chips);

/* Add the register group that chip `chip` (from 0) shall take over to a command in `out`. */
void ltc6813_put(uint8_t *out, uint32_t chips, uint32_t chip, const uint8_t *group);

/* Find the register group that chip `chip` gave in an answer; NULL if its PEC is wrong. */
const uint8_t *ltc6813_get(const uint8_t *answer, uint32_t chip);

/* Configuration register groups A and B for the bleed switches `dcc`, bit 0 is cell 1. */
void ltc6813_config_a(uint8_t *group, uint32_t dcc);
void ltc6813_config_b(uint8_t *group, uint32_t dcc);

/* Say whether a group that was read is the one written, pins and status bits left out. */
bool ltc6813_is_config_a(const uint8_t *group, uint32_t dcc);
bool ltc6813_is_config_b(const uint8_t *group, uint32_t dcc);

#endif
