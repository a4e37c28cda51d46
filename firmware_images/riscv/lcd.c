/* LCD: panel on SPI0's eight lines with the data/command and reset pins on GPIOHS; bytes by hand,
   pixels by DMA. Draws four rectangles and a gradient. */
#include "io.h"

#define FPIOA 0x502b0000u
#define OUT_ENABLE (1u << 12)
#define GPIOHS 0x38001000u
#define SPI0 0x52000000u
#define DMAC 0x50000000u
#define CHANNEL(n) (DMAC + 0x100 + 0x100 * (n))
#define SYSCTL 0x50440000u
enum { RESET_PAD = 37, DATA_PAD = 38, SELECT_PAD = 36, CLOCK_PAD = 39 };
enum { GPIOHS0 = 24, SPI0_SS3 = 15, SPI0_SCLK = 17, DATA = 2, RESET = 3 };

static uint32_t pixels[64 * 32 / 2];

static void pin(int number, int level)
{
    uint32_t bit = 1u << number, now = REG32(GPIOHS + 0x0c);
    REG32(GPIOHS + 0x0c) = level ? now | bit : now & ~bit;
}

/* instruction : its bits (0, 8) in the protocol's first phase; the rest goes as addresses do */
static void begin(int bits, int instruction)
{
    REG32(SPI0 + 0x08) = 0;
    REG32(SPI0 + 0x10) = 0;
    REG32(SPI0 + 0x00) = 3 << 21 | (uint32_t)(bits - 1) << 16 | 1 << 8;
    REG32(SPI0 + 0xf4) = (instruction ? 2u << 8 : (uint32_t)(bits / 4) << 2) | 2;
    REG32(SPI0 + 0x08) = 1;
}

static void finish(void)
{
    while ((REG32(SPI0 + 0x28) & 5) != 4)
        ;
    REG32(SPI0 + 0x10) = 0;
    REG32(SPI0 + 0x08) = 0;
}

static void command(uint8_t code, const uint8_t *data, int count)
{
    pin(DATA, 0);
    begin(8, 1);
    REG32(SPI0 + 0x60) = code;
    REG32(SPI0 + 0x10) = 8;
    finish();
    pin(DATA, 1);
    while (count--) { /* each in a transfer of its own */
        begin(8, 0);
        REG32(SPI0 + 0x10) = 8;
        REG32(SPI0 + 0x60) = *data++;
        finish();
    }
}

static void write(const uint32_t *from, int words, int same)
{
    pin(DATA, 1);
    begin(32, 0);
    REG32(SPI0 + 0x4c) = 2;
    REG64(CHANNEL(2) + 0x98) = 0xffffffff;
    REG64(CHANNEL(2) + 0x20) = (uint64_t)1 << 32;
    REG64(CHANNEL(2) + 0x00) = (uint64_t)from;
    REG64(CHANNEL(2) + 0x08) = SPI0 + 0x60;
    REG64(CHANNEL(2) + 0x18) = (same ? 1 << 4 : 0) | 1 << 6 | 2 << 8 | 2 << 11;
    REG64(CHANNEL(2) + 0x10) = (uint64_t)words - 1;
    REG64(DMAC + 0x10) = 3;
    REG64(DMAC + 0x18) = 0x404;
    REG32(SPI0 + 0x10) = 8;
    while (REG64(DMAC + 0x18) & 4)
        ;
    finish();
}

static void window(int x1, int y1, int x2, int y2)
{
    uint8_t columns[] = {(uint8_t)(x1 >> 8), (uint8_t)x1, (uint8_t)(x2 >> 8), (uint8_t)x2};
    uint8_t rows[] = {(uint8_t)(y1 >> 8), (uint8_t)y1, (uint8_t)(y2 >> 8), (uint8_t)y2};
    command(0x2a, columns, 4);
    command(0x2b, rows, 4);
    command(0x2c, 0, 0);
}

static void rectangle(int x, int y, uint32_t colour)
{
    static uint32_t pair;
    pair = colour << 16 | colour;
    window(x, y, x + 159, y + 119);
    write(&pair, 160 * 120 / 2, 1);
}

int main(int hart)
{
    static const uint8_t sixteen_bits = 0x55, sideways = 0xa0; /* as the panel is mounted */
    if (hart)
        return 0;
    REG32(FPIOA + 4 * DATA_PAD) = OUT_ENABLE | (GPIOHS0 + DATA);
    REG32(FPIOA + 4 * RESET_PAD) = OUT_ENABLE | (GPIOHS0 + RESET);
    REG32(FPIOA + 4 * SELECT_PAD) = OUT_ENABLE | SPI0_SS3;
    REG32(FPIOA + 4 * CLOCK_PAD) = OUT_ENABLE | SPI0_SCLK;
    REG32(GPIOHS + 0x08) = 1 << DATA | 1 << RESET;
    REG32(SPI0 + 0x14) = 2;
    pin(RESET, 0);
    pin(RESET, 1);
    command(0x11, 0, 0);
    command(0x3a, &sixteen_bits, 1);
    command(0x36, &sideways, 1);
    command(0x29, 0, 0);
    rectangle(0, 0, 0xf800);
    rectangle(160, 0, 0x07e0);
    rectangle(0, 120, 0x001f);
    rectangle(160, 120, 0xffff);
    for (uint32_t i = 0; i < 64 * 32 / 2; i++)
        pixels[i] = (2 * i) << 16 | (2 * i + 1);
    window(128, 104, 191, 135);
    write(pixels, 64 * 32 / 2, 0);
    line("done", REG64(CHANNEL(2) + 0x88));
    text("end\n");
    return 0;
}
