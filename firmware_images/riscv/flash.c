/* SPI3: the flash's id, status, a standard read by hand and a quad read by DMA, erase, program. */
#include "io.h"

#define SPI3 0x54000000u
#define DMAC 0x50000000u
#define SYSCTL 0x50440000u
#define CHANNEL(n) (DMAC + 0x100 + 0x100 * (n))
enum { BOTH, SEND, RECEIVE, EEPROM };

static void begin(uint32_t mode, uint32_t quad, uint32_t bits, uint32_t frames)
{
    REG32(SPI3 + 0x08) = 0;
    REG32(SPI3 + 0x10) = 0;
    REG32(SPI3 + 0x00) = mode << 10 | quad << 22 | (bits - 1);
    REG32(SPI3 + 0x04) = frames - 1;
    REG32(SPI3 + 0x08) = 1;
}

static void finish(void)
{
    while ((REG32(SPI3 + 0x28) & 5) != 4)
        ;
    REG32(SPI3 + 0x10) = 0;
    REG32(SPI3 + 0x08) = 0;
}

static void send(const uint8_t *bytes, int count)
{
    begin(SEND, 0, 8, 1);
    REG32(SPI3 + 0x10) = 1;
    while (count--)
        REG32(SPI3 + 0x60) = *bytes++;
    finish();
}

static void get(const uint8_t *bytes, int count, uint8_t *to, int wanted)
{
    begin(EEPROM, 0, 8, (uint32_t)wanted);
    while (count--)
        REG32(SPI3 + 0x60) = *bytes++;
    REG32(SPI3 + 0x10) = 1;
    while (wanted)
        if (REG32(SPI3 + 0x24)) {
            *to++ = (uint8_t)REG32(SPI3 + 0x60);
            wanted--;
        }
    finish();
}

static void show(const char *name, const uint8_t *bytes, int count)
{
    text(name);
    put(' ');
    while (count--)
        hex(*bytes++, 2);
    put('\n');
}

static void wait(void)
{
    uint8_t status = 1, read[] = {0x05};
    while (status & 1)
        get(read, 1, &status, 1);
}

static void dma(int n, uint64_t from, uint64_t to, uint64_t control, uint64_t flow, int count)
{
    REG64(CHANNEL(n) + 0x98) = 0xffffffff;
    REG64(CHANNEL(n) + 0x20) = flow << 32;
    REG64(CHANNEL(n) + 0x00) = from;
    REG64(CHANNEL(n) + 0x08) = to;
    REG64(CHANNEL(n) + 0x18) = control | 2 << 8 | 2 << 11;
    REG64(CHANNEL(n) + 0x10) = (uint64_t)count - 1;
    REG64(DMAC + 0x10) = 3;
    REG64(DMAC + 0x18) = (uint64_t)0x101 << n;
}

int main(int hart)
{
    static uint8_t buffer[16];
    static uint32_t words[4], command[2];
    static const uint8_t id[] = {0x90, 0, 0, 0}, jedec[] = {0x9f}, enable[] = {0x06};
    static const uint8_t quad_on[] = {0x31, 0x02}, erase[] = {0x20, 0x20, 0, 0};
    static const uint8_t program[] = {0x02, 0x20, 0, 4, 0xde, 0xad, 0xbe, 0xef};
    static const uint8_t read[] = {0x03, 0x20, 0, 0}, boot[] = {0x03, 0, 0, 0};
    if (hart)
        return 0;
    get(id, 4, buffer, 2);
    show("id", buffer, 2);
    get(jedec, 1, buffer, 3);
    show("jedec", buffer, 3);
    get(boot, 4, buffer, 5);
    show("header", buffer, 1);
    send(enable, 1);
    send(erase, 4);
    wait();
    get(read, 4, buffer, 8);
    show("erased", buffer, 8);
    send(enable, 1);
    send(program, 8);
    wait();
    get(read, 4, buffer, 12);
    show("programmed", buffer, 12);
    send(enable, 1);
    send(quad_on, 2);
    wait();

    /* 0xEB with instruction and address phases, four 32-bit frames, both directions by DMA */
    begin(EEPROM, 2, 32, 4);
    REG32(SPI3 + 0xf4) = 4 << 11 | 2 << 8 | 8 << 2 | 1;
    REG32(SPI3 + 0x4c) = 3;
    command[0] = 0xeb;
    command[1] = 0x200000 << 8;
    dma(1, SPI3 + 0x60, (uint64_t)words, 1 << 4, 2, 4);
    dma(0, (uint64_t)command, SPI3 + 0x60, 1 << 6, 1, 2);
    REG32(SPI3 + 0x10) = 1;
    while (REG64(DMAC + 0x18) & 3)
        ;
    finish();
    for (int i = 0; i < 4; i++)
        line("quad", words[i]);
    line("done", REG64(CHANNEL(1) + 0x88));
    text("end\n");
    return 0;
}
