/* The board on a microcontroller: QEMU's mps2-an385, a Cortex-M3 at 25 MHz.
 *
 * That machine has neither a CAN controller nor an SPI bus that leads outside. UART0 is the CAN
 * controller with its adapter, as slcan text; UART1 the SPI bus, as packets (port/spi_wire.h).
 */
#include "live.h"
#include "mps2.h"
#include "params.h"

extern const uint8_t parameter_page[]; /* mps2.ld says where */

/* Let the firmware hear what has come, and run in between: a call holds 32 frames at most. */
static void hear(struct live *board) {
    uint8_t byte;
    while (uart_take(UART_SPI, &byte)) {
        live_hear_spi(board, byte);
    }
    while (live_hears_can(board) && uart_take(UART_CAN, &byte)) {
        live_hear_can(board, byte);
    }
}

int main(void) {
    static struct live board; /* 20 kB: not on the stack, where nobody sees it grow */

    mps2_start();
    if (!live_start(&board, clock_us(), parameter_page, PARAMS_SIZE)) {
        return 1; /* a damaged page: say nothing, bleed nothing */
    }
    for (;;) {
        hear(&board);
        live_run(&board, clock_us());
        uart_send(UART_CAN, &board.to_can);
        uart_send(UART_SPI, &board.to_spi);
        sleep_until(board.wake_us);
    }
}
