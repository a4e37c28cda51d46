/* Both harts add to the same counters, one by AMO and one by LR/SC; then hart 1 is woken by msip. */
#include "io.h"

#define ROUNDS 20000
static uint64_t added, looped, arrived, lock, locked;
static volatile uint64_t woken;

static void work(void)
{
    for (int i = 0; i < ROUNDS; i++) {
        uint64_t old, failed;
        __asm__ volatile("amoadd.d zero, %0, (%1)" : : "r"(1ul), "r"(&added) : "memory");
        do {
            __asm__ volatile("lr.d %0, (%2)\n addi %0, %0, 1\n sc.d %1, %0, (%2)"
                             : "=&r"(old), "=&r"(failed) : "r"(&looped) : "memory");
        } while (failed);
        do
            __asm__ volatile("amoswap.d.aq %0, %1, (%2)"
                             : "=r"(old) : "r"(1ul), "r"(&lock) : "memory");
        while (old);
        locked++;
        __asm__ volatile("amoswap.d.rl zero, zero, (%0)" : : "r"(&lock) : "memory");
    }
    __asm__ volatile("amoadd.d zero, %0, (%1)" : : "r"(1ul), "r"(&arrived) : "memory");
}

uint64_t trap(uint64_t cause, uint64_t epc, uint64_t tval)
{
    (void)tval;
    if (cause << 1 >> 1 == 3) {
        woken++;
        REG32(0x02000004) = 0;
    }
    return epc;
}

int main(int hart)
{
    work();
    if (hart) {
        __asm__ volatile("csrw mie, 8\n csrs mstatus, 8");
        for (;;)
            __asm__ volatile("wfi");
    }
    while (*(volatile uint64_t *)&arrived < 2)
        ;
    line("amo", added);
    line("lr sc", looped);
    line("lock", locked);
    REG32(0x02000004) = 1;
    while (!woken)
        ;
    line("woken", woken);
    text("end\n");
    return 0;
}
