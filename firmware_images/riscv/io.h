/* Output for the test programs: UARTHS on the chip, write() under qemu's user mode (HOSTED). */
#include <stdint.h>

#ifdef HOSTED
static inline long syscall3(long number, long a, long b, long c)
{
    register long a0 __asm__("a0") = a;
    register long a1 __asm__("a1") = b;
    register long a2 __asm__("a2") = c;
    register long a7 __asm__("a7") = number;
    __asm__ volatile("ecall" : "+r"(a0) : "r"(a1), "r"(a2), "r"(a7) : "memory");
    return a0;
}

static inline void put(char c) { syscall3(64, 1, (long)&c, 1); }
#define START \
    void _start(void) { main(0); syscall3(93, 0, 0, 0); }
#else
#define REG32(address) (*(volatile uint32_t *)(uintptr_t)(address))
#define REG64(address) (*(volatile uint64_t *)(uintptr_t)(address))
#define UARTHS 0x38000000u

static inline void put(char c)
{
    REG32(UARTHS + 0x08) = 1; /* txctrl: sender on */
    while (REG32(UARTHS) >> 31)
        ;
    REG32(UARTHS) = (uint8_t)c;
}
#define START
#endif

static inline void text(const char *s)
{
    while (*s)
        put(*s++);
}

static inline void hex(uint64_t value, int digits)
{
    for (int i = digits - 1; i >= 0; i--)
        put("0123456789abcdef"[value >> (4 * i) & 15]);
}

static inline void line(const char *name, uint64_t value)
{
    text(name);
    put(' ');
    hex(value, 16);
    put('\n');
}

static inline uint64_t fold(uint64_t hash, uint64_t value)
{
    for (int i = 0; i < 64; i += 8)
        hash = (hash ^ (value >> i & 255)) * 0x100000001b3u;
    return hash;
}

static inline uint64_t scramble(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}
#define HASH_START 0xcbf29ce484222325u
