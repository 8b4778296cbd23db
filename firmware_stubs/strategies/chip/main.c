/* Lets a strategy decide on a recorded day, and tells of each decision what it took and what it was.
 *
 * The emulator is told to let a fixed time pass for each instruction, so SysTick counts instructions.
 * What a decision has of the stack is painted first, and looked for afterwards. There is no division
 * and no library here: what is counted is the strategy's own.
 */
#include "day.h"

struct sys_tick {
    volatile uint32_t control, reload, current;
};

enum { SYS_TICK_ON = 1, SYS_TICK_SYSTEM_CLOCK = 4, SYS_TICK_RAN_OUT = 1 << 16 };
enum { SYS_TICK_LAST = 0x00FFFFFF };
enum { SEMIHOSTING_WRITE0 = 0x04, SEMIHOSTING_EXIT = 0x18 };
enum { STOPPED_WELL = 0x20026, STOPPED_BADLY = 0x20023 };

static struct sys_tick *const SYS_TICK = (struct sys_tick *)0xE000E010u;
static const uint32_t PAINT = 0xC5C5C5C5u;

extern uint32_t stack_end[]; /* of chip.ld: the stack grows down to it */
extern uint32_t stack_top[];

int main(void);
void reset_handler(void);

/* Ask the debugger, which is the emulator: write a text, or end. */
static void ask(uint32_t operation, uintptr_t argument) {
    register uint32_t r0 __asm__("r0") = operation;
    register uintptr_t r1 __asm__("r1") = argument;
    __asm__ volatile("bkpt 0xAB" : "+r"(r0) : "r"(r1) : "memory");
}

static void print(uint32_t value, char end) {
    char text[10];
    for (uint32_t digit = 0; digit < 8; digit++) {
        text[digit] = "0123456789abcdef"[value >> (28 - 4 * digit) & 15u];
    }
    text[8] = end;
    text[9] = '\0';
    ask(SEMIHOSTING_WRITE0, (uintptr_t)text);
}

static uint32_t *stack_pointer(void) {
    uint32_t *found;
    __asm__ volatile("mov %0, sp" : "=r"(found)::"memory");
    return found;
}

/* Ticks from one look at the counter to the next; all ones where it has run out in between. */
static uint32_t ticks_since(uint32_t before) {
    const uint32_t after = SYS_TICK->current;
    return (SYS_TICK->control & SYS_TICK_RAN_OUT) != 0 ? UINT32_MAX : (before - after) & SYS_TICK_LAST;
}

static uint32_t begin(void) {
    SYS_TICK->current = 0; /* begins anew, and forgets that it ran out */
    return SYS_TICK->current;
}

/* What a decision takes, in ticks, and how deep below this frame it writes to the stack, in bytes.
 * Not inlined, so that this frame is no larger than that of any loop that calls a strategy. */
__attribute__((noinline)) static uint32_t measure(struct strategy *self,
                                                  const struct observation *seen,
                                                  struct decision *decision, uint32_t *depth) {
    uint32_t *const top = stack_pointer();
    for (uint32_t *word = stack_end; word < top; word++) {
        *(volatile uint32_t *)word = PAINT;
    }
    const uint32_t before = begin();
    *decision = strategy_step(self, seen);
    const uint32_t ticks = ticks_since(before);
    const uint32_t *deepest = stack_end;
    while (deepest < top && *(const volatile uint32_t *)deepest == PAINT) {
        deepest++;
    }
    *depth = (uint32_t)(top - deepest) * (uint32_t)sizeof(uint32_t);
    return ticks;
}

int main(void) {
    static uint32_t memory[256]; /* a kilobyte: more than any strategy remembers */
    struct strategy *const self = (struct strategy *)memory;
    if (strategy_size > sizeof(memory)) {
        return 1;
    }
    SYS_TICK->reload = SYS_TICK_LAST;
    SYS_TICK->current = 0;
    SYS_TICK->control = SYS_TICK_ON | SYS_TICK_SYSTEM_CLOCK;
    print((uint32_t)strategy_size, ' ');
    const uint32_t before = begin();
    print(ticks_since(before), '\n');
    strategy_start(self);
    for (uint32_t k = 0; k < DAY_DECISIONS; k++) {
        struct decision decision;
        uint32_t depth;
        print(measure(self, &DAY[k], &decision, &depth), ' ');
        print(depth, ' ');
        print(decision.bleeding, ' ');
        print(decision.percent | (uint32_t)decision.wants_full << 8, '\n');
    }
    return 0;
}

/* A fault: an instruction that this core does not have, for one. */
static void end_badly(void) {
    ask(SEMIHOSTING_EXIT, STOPPED_BADLY);
}

/* The emulator has cleared the memory, and nothing here has a first value but zero. */
void reset_handler(void) {
    ask(SEMIHOSTING_EXIT, main() == 0 ? STOPPED_WELL : STOPPED_BADLY);
}

typedef void (*handler)(void);

/* ARMv6-M Architecture Reference Manual (DDI 0419), B1.5.2: the stack's end, reset, NMI, hard fault,
 * and for ARMv7-M three more faults. */
__attribute__((section(".vectors"), used)) static const handler VECTORS[7] = {
    (handler)(uintptr_t)stack_top, reset_handler, end_badly, end_badly,
    end_badly, end_badly, end_badly,
};
