/* A line at power-on, MicroPython's prompt, then an echo of each byte; 'R' resets the chip. */
#include "io.h"

int main(int hart)
{
    if (hart)
        return 0;
    REG32(UARTHS + 0x0c) = 1; /* rxctrl: receiver on */
    text("hello from RISC-V\r\n>>> ");
    for (;;) {
        uint32_t got = REG32(UARTHS + 4);
        if (got >> 31)
            continue;
        if ((got & 255) == 'R')
            REG32(0x50440030) = 1; /* SYSCTL soft_reset */
        put('[');
        put((char)got);
        put(']');
    }
}
