/* MicroPython's friendly and raw prompts with a language of one letter a line, for tests:
   pTEXT prints TEXT, eTEXT ends with the error TEXT, m prints the end mark, t prints mtime,
   l loops until Ctrl-C, r resets the chip. */
#include "io.h"

static char program[4096];

static int typed(void)
{
    for (int i = 0; i < 500; i++) /* a look costs the simulator more than these */
        __asm__ volatile("");
    uint32_t got = REG32(UARTHS + 4);
    return got >> 31 ? -1 : (int)(got & 255);
}

static const char *rest(const char *at)
{
    while (*at && *at != '\n')
        put(*at++);
    text("\r\n");
    return at;
}

static void run(const char *at)
{
    text("OK");
    for (; *at; at++) {
        switch (*at) {
        case 'p':
            at = rest(at + 1);
            break;
        case 'm':
            put(4);
            break;
        case 't':
            hex(REG64(0x0200bff8), 16);
            text("\r\n");
            break;
        case 'l':
            while (typed() != 3)
                ;
            text("\4KeyboardInterrupt: \r\n\4>");
            return;
        case 'e':
            put(4);
            rest(at + 1);
            text("\4>");
            return;
        case 'r':
            REG32(0x50440030) = 1; /* SYSCTL soft_reset */
            for (;;)
                ;
        }
        if (!*at)
            break;
    }
    text("\4\4>");
}

int main(int hart)
{
    if (hart)
        return 0;
    REG32(UARTHS + 0x0c) = 1; /* rxctrl: receiver on */
    text("prompt\r\n>>> ");
    unsigned raw = 0, length = 0;
    for (;;) {
        int c = typed();
        if (c < 0)
            continue;
        if (c == 1) {
            raw = 1;
            length = 0;
            text("\r\nraw REPL; CTRL-B to exit\r\n>");
        } else if (c == 2 || (c == 3 && !raw)) {
            raw = 0;
            text("\r\n>>> ");
        } else if (c == 3) {
            length = 0;
        } else if (c == 4 && raw) {
            program[length] = 0;
            length = 0;
            run(program);
        } else if (raw && length < sizeof program - 1) {
            program[length++] = (char)c;
        } else if (!raw) {
            put((char)c);
        }
    }
}
