/* Start-up of a Cortex-M3: the vector table, and memory as C expects it.
 *
 * Vectors: ARMv7-M Architecture Reference Manual (DDI 0403), B1.5.2 and B1.5.3. Interrupts of the
 * mps2-an385: ARM Application Note AN385, table 4-3.
 */
#include <stdint.h>
#include <string.h>

#include "mps2.h"

/* Of mps2.ld: only their addresses mean something, which of the sizes are the sizes. */
extern uint8_t data_image[], data_start[], data_size[], bss_start[], bss_size[], stack_top[];

int main(void);
void reset_handler(void);

/* What nobody expects: stand still, where a debugger finds it. The watchdogs of the chips on the
 * SPI bus then switch the bleeds off. */
static void stand_still(void) {
    for (;;) {
        __asm__ volatile("wfi");
    }
}

void reset_handler(void) {
    memcpy(data_start, data_image, (size_t)data_size);
    memset(bss_start, 0, (size_t)bss_size);
    main();
    stand_still();
}

typedef void (*handler)(void);

enum { IRQS = 16 }; /* the exceptions stand before the interrupts, the stack's end before both */

__attribute__((section(".vectors"), used)) static const handler VECTORS[IRQS + 32] = {
    (handler)(uintptr_t)stack_top,
    /* reset, NMI, hard fault, memory, bus, usage; four reserved; SVC, debug, -, PendSV, SysTick */
    reset_handler, stand_still, stand_still, stand_still, stand_still, stand_still,
    0, 0, 0, 0, stand_still, stand_still, 0, stand_still, alarm_interrupt,
    [IRQS + UART0_RX_IRQ] = uart0_interrupt,
    [IRQS + UART0_TX_IRQ] = uart0_interrupt,
    [IRQS + UART1_RX_IRQ] = uart1_interrupt,
    [IRQS + UART1_TX_IRQ] = uart1_interrupt,
};
