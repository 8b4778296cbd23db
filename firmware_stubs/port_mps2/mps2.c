#include "mps2.h"

enum {
    SYSTEM_MHZ = 25,
    /* SysTick counts 24 bits: two thirds of a second, then it wakes for nothing */
    LONGEST_SLEEP_US = 0x00FFFFFF / SYSTEM_MHZ,
};

/* --- registers --------------------------------------------------------------------------------- */

struct uart_registers {
    volatile uint32_t data, state, control, interrupts, baud_divider;
};

enum { STATE_TX_FULL = 1, STATE_RX_FULL = 2 };
enum { CONTROL_TX = 1, CONTROL_RX = 2, CONTROL_TX_INTERRUPT = 4, CONTROL_RX_INTERRUPT = 8 };
enum { INTERRUPT_TX = 1, INTERRUPT_RX = 2 };

/* Two of the FPGA I/O block's: a counter that runs for ever, and what its clock is divided by. */
struct counter {
    volatile uint32_t value, prescale;
};

struct sys_tick {
    volatile uint32_t control, reload, current;
};

enum { SYS_TICK_ON = 1, SYS_TICK_INTERRUPT = 2, SYS_TICK_SYSTEM_CLOCK = 4 };

static struct uart_registers *const UART0 = (struct uart_registers *)0x40004000u;
static struct uart_registers *const UART1 = (struct uart_registers *)0x40005000u;
static struct counter *const COUNTER = (struct counter *)0x40028018u;
static struct sys_tick *const SYS_TICK = (struct sys_tick *)0xE000E010u;
static volatile uint32_t *const NVIC_ENABLE = (volatile uint32_t *)0xE000E100u;

static struct uart_registers *registers_of(enum uart uart) {
    return uart == UART_CAN ? UART0 : UART1;
}

/* --- what interrupts leave for the program ----------------------------------------------------- */

/* The only variables outside a context: an interrupt handler is given none. */
static struct {
    struct queue received[UARTS];
    uint32_t clock_last; /* what the counter showed, and how often it has begun anew */
    uint32_t clock_rounds;
    volatile bool is_alarm_set;
    uint64_t alarm_us; /* for when */
} machine;

/* Keep interrupts waiting. */
static void lock(void) {
    __asm__ volatile("cpsid i" ::: "memory");
}

static void unlock(void) {
    __asm__ volatile("cpsie i\n\tisb" ::: "memory");
}

/* --- time -------------------------------------------------------------------------------------- */

void mps2_start(void) {
    for (int uart = 0; uart < UARTS; uart++) {
        struct uart_registers *registers = registers_of((enum uart)uart);
        registers->baud_divider = 16; /* the smallest that the UART takes */
        registers->control = CONTROL_TX | CONTROL_RX | CONTROL_RX_INTERRUPT;
    }
    /* The counter counts microseconds. Counting SysTick's interrupts would lose those that come
     * while one is pending: an emulator merges them, 2 s in a minute. */
    COUNTER->prescale = SYSTEM_MHZ - 1;
    COUNTER->value = 0;
    *NVIC_ENABLE = 1u << UART0_RX_IRQ | 1u << UART0_TX_IRQ | 1u << UART1_RX_IRQ | 1u << UART1_TX_IRQ;
}

uint64_t clock_us(void) {
    uint32_t now = COUNTER->value;
    if (now < machine.clock_last) {
        machine.clock_rounds++;
    }
    machine.clock_last = now;
    return (uint64_t)machine.clock_rounds << 32 | now;
}

/* Have SysTick interrupt once, at `at_us` or somewhat before. An alarm that is set already stays:
 * every byte that comes ends a sleep, and each write to a timer costs an emulator dear. */
static void set_alarm(uint64_t at_us, uint64_t now_us) {
    uint64_t left_us = at_us - now_us;
    uint32_t sleep_us = left_us < LONGEST_SLEEP_US ? (uint32_t)left_us : LONGEST_SLEEP_US;
    if (machine.is_alarm_set && machine.alarm_us == at_us) {
        return;
    }
    SYS_TICK->control = 0;
    machine.is_alarm_set = true;
    machine.alarm_us = at_us;
    SYS_TICK->reload = sleep_us * SYSTEM_MHZ;
    SYS_TICK->current = 0;
    SYS_TICK->control = SYS_TICK_ON | SYS_TICK_INTERRUPT | SYS_TICK_SYSTEM_CLOCK;
}

void alarm_interrupt(void) {
    SYS_TICK->control = 0;
    machine.is_alarm_set = false;
}

static bool something_came(void) {
    return queue_waiting(&machine.received[UART_CAN]) > 0 ||
           queue_waiting(&machine.received[UART_SPI]) > 0;
}

void sleep_until(uint64_t wake_us) {
    uint64_t now = clock_us();
    if (now >= wake_us) {
        return;
    }
    set_alarm(wake_us, now);
    /* Locked, so that what comes between looking and sleeping is not slept through, the alarm as
     * well: an interrupt that is kept waiting ends WFI all the same. */
    lock();
    if (machine.is_alarm_set && !something_came()) {
        __asm__ volatile("dsb\n\twfi" ::: "memory");
    }
    unlock();
}

/* --- UARTs ------------------------------------------------------------------------------------- */

/* Take what has come. Where there is no room it stays in the UART, which lets its line wait: a
 * hardware handshake keeps bytes that a program has no time for. */
static void receive(enum uart uart) {
    struct uart_registers *registers = registers_of(uart);
    struct queue *queue = &machine.received[uart];
    while (!queue_is_full(queue) && registers->state & STATE_RX_FULL) {
        uint8_t byte = (uint8_t)registers->data;
        queue_put(queue, &byte, 1);
    }
}

static void uart_interrupt(enum uart uart) {
    struct uart_registers *registers = registers_of(uart);
    registers->interrupts = INTERRUPT_TX | INTERRUPT_RX; /* cleared by writing ones */
    registers->control &= ~(uint32_t)CONTROL_TX_INTERRUPT;
    receive(uart);
}

void uart0_interrupt(void) {
    uart_interrupt(UART_CAN);
}

void uart1_interrupt(void) {
    uart_interrupt(UART_SPI);
}

bool uart_take(enum uart uart, uint8_t *byte) {
    struct queue *queue = &machine.received[uart];
    bool was_full = queue_is_full(queue);
    size_t size;
    const uint8_t *bytes = queue_front(queue, &size);
    if (size == 0) {
        return false;
    }
    *byte = bytes[0];
    queue_drop(queue, 1);
    if (was_full) { /* a byte may wait in the UART, whose interrupt has come and gone */
        lock();
        receive(uart);
        unlock();
    }
    return true;
}

void uart_send(enum uart uart, struct queue *queue) {
    struct uart_registers *registers = registers_of(uart);
    size_t size;
    const uint8_t *bytes = queue_front(queue, &size);
    while (size > 0 && !(registers->state & STATE_TX_FULL)) {
        registers->data = bytes[0];
        queue_drop(queue, 1);
        bytes = queue_front(queue, &size);
    }
    if (size > 0) {
        lock(); /* interrupts change this register too */
        registers->control |= CONTROL_TX_INTERRUPT;
        unlock();
    }
}
