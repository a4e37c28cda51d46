/* Sound: the audio processor by hand and by DMA, and a DMA channel that plays one block again and
   again. Times are in clocks of the CPU. */
#include "io.h"

#define I2S0 0x50250000u
#define I2S1 0x50260000u
#define APU (I2S0 + 0x200)
#define SYSCTL 0x50440000u
#define DMAC 0x50000000u
#define CHANNEL(n) (DMAC + 0x100 + 0x100 * (n))
enum { SEARCH = 1, STREAM = 2, BLOCK = 1, DONE = 3 };

static uint32_t words[512];

static uint64_t clocks(void)
{
    uint64_t now;
    __asm__ volatile("csrr %0, mcycle" : "=r"(now));
    return now;
}

static void channel(int n, uint64_t from, uint64_t to, int count, uint64_t still, uint64_t kind)
{
    REG64(CHANNEL(n) + 0x98) = 0xffffffff;
    REG64(CHANNEL(n) + 0x00) = from;
    REG64(CHANNEL(n) + 0x08) = to;
    REG64(CHANNEL(n) + 0x10) = (uint64_t)count - 1;
    REG64(CHANNEL(n) + 0x18) = still | 2 << 8 | 2 << 11;
    REG64(CHANNEL(n) + 0x20) = kind;
    REG64(DMAC + 0x10) = 3;
    REG64(DMAC + 0x18) = (uint64_t)0x101 << n;
}

static uint64_t wait_for(uint32_t what)
{
    uint64_t start = clocks();
    while (!(REG32(APU + 0x128) & what))
        ;
    REG32(APU + 0x128) = what;
    return clocks() - start;
}

static uint32_t other_than_silence(void)
{
    uint32_t found = 0;
    for (int i = 0; i < 512; i++)
        found += words[i] != 0;
    return found;
}

int main(int hart)
{
    uint32_t sum = 0;
    if (hart)
        return 0;
    REG32(I2S0 + 0x10) = 2 << 3; /* 32 clocks a word */
    REG32(I2S0 + 0x00) = REG32(I2S0 + 0x04) = 1;
    for (int i = 0; i < 4; i++)
        REG32(I2S0 + 0x28 + 0x40 * i) = 1;
    REG32(APU) = 0xcu << 28 | 1u << 24 | 0x400 << 12; /* gain 1 and the transform's results */
    REG32(APU) = 0x1u << 28 | 0xff;                     /* all channels */
    line("channels", REG32(APU));
    REG32(APU) = 0x4u << 28;
    REG32(APU + 0x12c) = 3; /* nothing interrupts */
    REG32(APU + 0x04) = 1 << 8 | 1;
    line("search takes", wait_for(SEARCH));
    line("search on", REG32(APU + 0x04));
    for (int i = 0; i < 16 * 256; i++)
        sum |= REG32(APU + 0x120);
    line("search", sum);
    REG32(APU + 0x118) = 1; /* every second sample */
    REG32(APU + 0x11c) = 1 << 12;
    REG32(APU + 0x04) = 1 << 8 | 1;
    line("half search takes", wait_for(SEARCH));
    for (int row = 1; row < 16; row++) {
        for (int i = 0; i < 512; i++)
            sum |= REG32(APU + 0x120);
        if (!(REG32(APU + 0x128) & SEARCH))
            line("no row", (uint64_t)row);
        REG32(APU + 0x128) = SEARCH;
    }
    for (int i = 0; i < 512; i++)
        words[i] = 0x12345678;
    REG32(APU + 0x04) = 1 << 10 | 1 << 4;
    channel(1, APU + 0x124, (uint64_t)words, 512, 1 << 4, (uint64_t)2 << 32);
    while (!(REG64(CHANNEL(1) + 0x88) & 2))
        ;
    line("stream", other_than_silence());
    line("second stream takes", wait_for(STREAM) + wait_for(STREAM));
    REG32(APU + 0x04) = 1 << 10;

    REG32(I2S1 + 0x10) = 2 << 3;
    REG32(I2S1 + 0x00) = REG32(I2S1 + 0x08) = REG32(I2S1 + 0x2c) = 1;
    channel(2, (uint64_t)words, I2S1 + 0x1c8, 100, 1 << 6, (uint64_t)1 << 32 | 1 << 0 | 1 << 2);
    uint64_t start = clocks();
    for (int blocks = 0; blocks < 4; blocks++) {
        while (!(REG64(CHANNEL(2) + 0x88) & BLOCK))
            ;
        REG64(CHANNEL(2) + 0x98) = BLOCK;
    }
    line("three blocks take", clocks() - start);
    line("on and raised", (REG64(DMAC + 0x18) & 4) << 8 | REG64(CHANNEL(2) + 0x88));
    REG64(DMAC + 0x18) = 0x400;
    line("off", REG64(DMAC + 0x18) & 4);
    text("end\n");
    return 0;
}
