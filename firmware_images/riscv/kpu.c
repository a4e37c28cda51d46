/* KPU: a 3x3 convolution of three channels to four, pooled by two, once into AI RAM and once out by
   DMA, each compared with plain C. The interrupt comes through the PLIC. */
#include "io.h"

#define KPU 0x40800000u
#define AI_RAM ((volatile uint8_t *)0x40600000u)
#define DMAC 0x50000000u
#define CHANNEL(n) (DMAC + 0x100 + 0x100 * (n))
#define PLIC 0x0c000000u
enum { KPU_IRQ = 25, WIDTH = 20, HEIGHT = 12, IN = 3, OUT = 4, TO = 1024 /* line */ };
enum { ARG_X = -5, SHR_X = 1, ARG_W = 7, SHR_W = 2, ARG_ADD = -31000, SEGMENTS = 16 };
#define BITS(value, low, width) (((uint64_t)(value) & ((1ull << (width)) - 1)) << (low))

static uint8_t weights[OUT * IN * 9] __attribute__((aligned(128)));
static uint64_t norms[OUT] __attribute__((aligned(128)));
static struct {
    uint64_t lines[SEGMENTS];
    uint8_t bias[SEGMENTS];
} activation __attribute__((aligned(256)));
static const struct {
    int64_t start, mul, shift, bias;
} segments[] = {{-(1ll << 35), 0, 0, 3}, {-2000, 5, 8, 3}, {0, 1, 6, 42}, {9000, 1, 9, 183}};
static uint8_t input[IN][HEIGHT][WIDTH], expected[OUT][HEIGHT / 2][WIDTH / 2];
static uint64_t stream[OUT * HEIGHT * WIDTH / 4 / 8];
static volatile int done;

uint64_t trap(uint64_t cause, uint64_t epc, uint64_t tval)
{
    (void)tval;
    if (cause << 1 >> 1 == 11) {
        uint32_t source = REG32(PLIC + 0x200004);
        if (source == KPU_IRQ) {
            done++;
            REG64(KPU + 0x20) = 7;
        }
        REG32(PLIC + 0x200004) = source;
    }
    return epc;
}

/* nearest, a half to the even side */
static int64_t rounded(int64_t value, int shift)
{
    if (!shift)
        return value;
    int64_t whole = value >> shift, part = value & ((1ll << shift) - 1), half = 1ll << (shift - 1);
    if (part > half || (part == half && whole & 1))
        whole += value < 0 ? -1 : 1;
    return whole;
}

static uint8_t activated(int64_t value)
{
    int n = 0;
    for (int i = 1; i < 4; i++)
        if (segments[i].start < value)
            n = i;
    value = rounded((value - segments[n].start) * segments[n].mul, (int)segments[n].shift) +
            segments[n].bias;
    return (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value);
}

static uint8_t pixel(int o, int y, int x)
{
    int64_t sum = 0, sum_x = 0, sum_w = 0;
    for (int i = 0; i < IN; i++)
        for (int k = 0; k < 9; k++) {
            int v = y + k / 3 - 1, h = x + k % 3 - 1;
            int64_t in = v >= 0 && v < HEIGHT && h >= 0 && h < WIDTH ? input[i][v][h] : 0;
            int64_t weight = weights[(o * IN + i) * 9 + k];
            sum += weight * in;
            sum_x += in;
            sum_w += weight;
        }
    sum += ((ARG_X * sum_x) >> SHR_X) + ((ARG_W * sum_w) >> SHR_W) + ARG_ADD * IN;
    return activated(((sum * (3 + o)) >> 3) + 50 * o);
}

static void reference(void)
{
    for (int o = 0; o < OUT; o++)
        for (int y = 0; y < HEIGHT / 2; y++)
            for (int x = 0; x < WIDTH / 2; x++) {
                uint8_t most = 0;
                for (int k = 0; k < 4; k++) {
                    uint8_t one = pixel(o, 2 * y + k / 2, 2 * x + k % 2);
                    most = one > most ? one : most;
                }
                expected[o][y][x] = most;
            }
}

static void prepare(void)
{
    uint64_t state = 1;
    for (int i = 0; i < OUT * IN * 9; i++)
        weights[i] = (uint8_t)(scramble(&state) & 63);
    for (int i = 0; i < IN; i++)
        for (int y = 0; y < HEIGHT; y++)
            for (int x = 0; x < WIDTH; x++) {
                input[i][y][x] = (uint8_t)scramble(&state);
                /* two channels share a line of 64 bytes at this width */
                AI_RAM[64 * (i / 2 * HEIGHT + y) + 32 * (i & 1) + x] = input[i][y][x];
            }
    for (int o = 0; o < OUT; o++)
        norms[o] = BITS(3 + o, 0, 24) | BITS(50 * o, 24, 32) | BITS(3, 56, 4);
    for (int n = 0; n < SEGMENTS; n++) {
        int i = n < 4 ? n : 3;
        /* what is behind the last one begins where no value gets */
        int64_t start = n < 4 ? segments[i].start : (1ll << 35) - SEGMENTS + n;
        activation.lines[n] = BITS(segments[i].shift, 0, 8) | BITS(segments[i].mul, 8, 16) |
                              BITS(start, 24, 36);
        activation.bias[n] = (uint8_t)segments[i].bias;
    }
}

static void run(int out)
{
    uint64_t words[12] = {
        1, /* with interrupt */
        BITS(0, 0, 15) | BITS(TO, 32, 15),
        BITS(IN - 1, 0, 10) | BITS(OUT - 1, 32, 10) | BITS(OUT - 1, 48, 10),
        BITS(WIDTH - 1, 0, 10) | BITS(HEIGHT - 1, 10, 9) | BITS(WIDTH / 2 - 1, 32, 10) |
            BITS(HEIGHT / 2 - 1, 42, 9),
        BITS(1, 0, 3) | BITS(1, 4, 4) | BITS(1, 10, 1) | BITS(15, 16, 8) |
            BITS((uintptr_t)norms, 32, 32),
        BITS(1, 0, 1) | BITS(sizeof weights, 15, 17) | BITS((uintptr_t)weights, 32, 32),
        0,
        BITS(HEIGHT, 0, 15) | BITS(1, 16, 4) | BITS(2, 28, 3) | BITS(1, 31, 1) |
            BITS((uintptr_t)&activation, 32, 32),
        BITS(HEIGHT / 2, 0, 15) | BITS(1, 16, 4) | BITS(4, 20, 3),
        BITS(SHR_W, 0, 4) | BITS(SHR_X, 4, 4) | BITS(ARG_W, 8, 24) | BITS(ARG_X, 32, 24),
        BITS(ARG_ADD, 0, 40),
        BITS(out, 0, 1) | BITS(WIDTH * HEIGHT / 4 - 1, 16, 16) |
            BITS(OUT * WIDTH * HEIGHT / 4 - 1, 32, 32),
    };
    done = 0;
    for (int i = 0; i < 12; i++)
        REG64(KPU) = words[i];
    while (!done)
        ;
}

static void receive(void)
{
    REG64(CHANNEL(5) + 0x98) = 0xffffffff;
    REG64(CHANNEL(5) + 0x20) = (uint64_t)2 << 32;
    REG64(CHANNEL(5) + 0x00) = KPU + 0x30;
    REG64(CHANNEL(5) + 0x08) = (uint64_t)(uintptr_t)stream;
    REG64(CHANNEL(5) + 0x18) = 1 << 4 | 3 << 8 | 3 << 11;
    REG64(CHANNEL(5) + 0x10) = sizeof stream / 8 - 1;
    REG64(DMAC + 0x10) = 3;
    REG64(DMAC + 0x18) = 0x101 << 5;
}

int main(int hart)
{
    if (hart)
        return 0;
    prepare();
    reference();
    REG32(PLIC + 4 * KPU_IRQ) = 1;
    REG32(PLIC + 0x2000) = 1 << KPU_IRQ;
    __asm__ volatile("csrw mie, %0" : : "r"(0x800));
    __asm__ volatile("csrs mstatus, 8");
    REG64(KPU + 0x40) = 1;    /* 8-bit weights */
    REG64(KPU + 0x28) = 0xc0; /* nothing is said of the layer FIFO */
    REG64(KPU + 0x18) = 6;
    run(0);
    uint64_t hash = HASH_START;
    int wrong = 0;
    for (int o = 0; o < OUT; o++)
        for (int y = 0; y < HEIGHT / 2; y++)
            for (int x = 0; x < WIDTH / 2; x++) {
                /* at this width, four */
                uint8_t got = AI_RAM[64 * (TO + y) + 16 * o + x];
                wrong += got != expected[o][y][x];
                hash = fold(hash, got);
            }
    line("wrong", wrong);
    line("hash", hash);
    receive();
    run(1);
    while (REG64(DMAC + 0x18) >> 5 & 1)
        ;
    wrong = 0;
    for (int i = 0; i < OUT * HEIGHT * WIDTH / 4; i++)
        wrong += ((uint8_t *)stream)[i] != ((uint8_t *)expected)[i];
    line("streamed wrong", wrong);
    int low = 0, high = 0;
    for (int i = 0; i < OUT * HEIGHT * WIDTH / 4; i++) {
        low += ((uint8_t *)expected)[i] < 42;
        high += ((uint8_t *)expected)[i] > 183;
    }
    line("low", low);
    line("high", high);
    text("end\n");
    return 0;
}
