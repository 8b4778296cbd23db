/* The parts of the mps2-an385 that the board uses.
 *
 * Registers: UART of the Cortex-M System Design Kit (ARM DDI 0479, table 4-10), FPGA I/O of
 * Application Note AN385 (table 4-4), SysTick of the ARMv7-M Architecture Reference Manual (B3.3).
 */
#ifndef MPS2_H
#define MPS2_H

#include <stdbool.h>
#include <stdint.h>

#include "queue.h"

enum { UART0_RX_IRQ = 0, UART0_TX_IRQ = 1, UART1_RX_IRQ = 2, UART1_TX_IRQ = 3 };

enum uart { UART_CAN, UART_SPI, UARTS };

/* Switch both UARTs, the clock and their interrupts on. */
void mps2_start(void);

/* Microseconds since mps2_start(); to be read at least once in 71 minutes. */
uint64_t clock_us(void);

/* Sleep until `wake_us`, or until a UART has something to do. */
void sleep_until(uint64_t wake_us);

/* Take a byte that has arrived; false when there is none. */
bool uart_take(enum uart uart, uint8_t *byte);

/* Send what goes now; when the line is free again, sleep_until() returns. */
void uart_send(enum uart uart, struct queue *queue);

void alarm_interrupt(void);
void uart0_interrupt(void);
void uart1_interrupt(void);

#endif
