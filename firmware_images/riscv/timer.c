/* Interrupts: the CLINT's timer three times, a software interrupt, UARTHS through the PLIC. */
#include "io.h"

#define CLINT 0x02000000u
#define MTIME REG64(CLINT + 0xbff8)
#define MTIMECMP REG64(CLINT + 0x4000)
#define PLIC 0x0c000000u
#define UARTHS_IRQ 33

static volatile int ticks, soft, typed;
static volatile uint64_t last;

uint64_t trap(uint64_t cause, uint64_t epc, uint64_t tval)
{
    (void)tval;
    switch (cause << 1 >> 1) {
    case 7:
        ticks++;
        last = MTIME;
        MTIMECMP = ticks < 3 ? MTIMECMP + 1000 : ~0ull;
        break;
    case 3:
        soft++;
        REG32(CLINT) = 0;
        break;
    case 11: {
        uint32_t source = REG32(PLIC + 0x200004);
        if (source == UARTHS_IRQ)
            typed = (int)REG32(UARTHS + 4);
        REG32(PLIC + 0x200004) = source;
        break;
    }
    }
    return epc;
}

int main(int hart)
{
    if (hart)
        return 0;
    uint64_t start = MTIME, cycle0, cycle1;
    __asm__ volatile("csrw mie, %0" : : "r"(0x888));
    MTIMECMP = start + 1000;
    __asm__ volatile("csrr %0, mcycle" : "=r"(cycle0));
    __asm__ volatile("csrs mstatus, 8");
    while (ticks < 3)
        __asm__ volatile("wfi");
    __asm__ volatile("csrr %0, mcycle" : "=r"(cycle1));
    line("ticks", ticks);
    uint64_t late = last - start - 3000;
    line("late", late < 20 ? 0 : late); /* at most the handlers' own time */
    uint64_t cycles = (cycle1 - cycle0) / 50;
    line("cycles", cycles >= 2999 && cycles < 3020 ? 1 : cycles);
    REG32(CLINT) = 1;
    __asm__ volatile("nop\nnop");
    line("soft", soft);
    REG32(UARTHS + 0x0c) = 1;
    REG32(UARTHS + 0x10) = 2; /* interrupt when there is something to read */
    REG32(PLIC + 4 * UARTHS_IRQ) = 1;
    REG32(PLIC + 0x2004) = 2;
    REG32(PLIC + 0x200000) = 0;
    text("type\n");
    while (!typed)
        __asm__ volatile("wfi");
    line("typed", (uint64_t)typed);
    text("end\n");
    return 0;
}
