/* Start-up of a Cortex-M3: the vector table, and memory as C expects it.
 *
 * Vectors: ARMv7-M Architecture Reference Manual (DDI 0403), B1.5.2 and B1.5.3. Interrupts of the
 * mps2-an385: ARM Application Note AN385, table 4-3.
 */
#include <stdint.h>

#include "mps2.h"

extern uint32_t data_image[], data_start[], data_end[], bss_start[], bss_end[], stack_top[];

int main(void);
void reset_handler(void);

/* What nobody expects: stand still, where a debugger finds it. The watchdogs of the chips on the
 * SPI bus then switch the bleeds off. */
static void stand_still(void)
{
    for (;;) {
        __asm__ volatile("wfi");
    }
}

void reset_handler(void)
{
    const uint32_t *from = data_image;
    for (uint32_t *to = data_start; to < data_end;) {
        *to++ = *from++;
    }
    for (uint32_t *to = bss_start; to < bss_end;) {
        *to++ = 0;
    }
    main();
    stand_still();
}

typedef void (*handler)(void);

struct vectors {
    uint32_t *stack;
    handler exceptions[15];
    handler interrupts[32];
};

__attribute__((section(".vectors"), used)) static const struct vectors VECTORS = {
    .stack = stack_top,
    /* reset, NMI, hard fault, memory, bus, usage; four reserved; SVC, debug, -, PendSV, SysTick */
    .exceptions = {reset_handler, stand_still, stand_still, stand_still, stand_still, stand_still,
                   0, 0, 0, 0, stand_still, stand_still, 0, stand_still, alarm_interrupt},
    .interrupts = {[UART0_RX_IRQ] = uart0_interrupt,
                   [UART0_TX_IRQ] = uart0_interrupt,
                   [UART1_RX_IRQ] = uart1_interrupt,
                   [UART1_TX_IRQ] = uart1_interrupt},
};
