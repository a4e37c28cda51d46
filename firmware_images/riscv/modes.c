/* What the other programs leave to the dynamic rounding mode or the compiler: every floating-point
   operation with every static rounding mode, the six CSR instructions on the floating-point CSRs, and
   fences. One line for each, with a hash over a table of operands and the flags. */
#include "io.h"

static const uint64_t table[] = {
    0x3ff0000000000000, 0xbff8000000000001, 0x7fefffffffffffff, 0x0000000000000001,
    0x800fffffffffffff, 0x4330000000000001, 0xc1e0000000100000, 0x3fb999999999999a,
    0x7ff0000000000000, 0x7ff8000000000000, 0x7ff0000000000001, 0x8000000000000000,
};
#define COUNT (sizeof table / sizeof table[0])

static uint64_t flags(void)
{
    uint64_t got;
    __asm__ volatile("csrrwi %0, fflags, 0" : "=r"(got));
    return got;
}

static uint64_t as_float(uint64_t bits) /* the same table, rounded to single by the unit itself */
{
    uint64_t got;
    __asm__ volatile("fmv.d.x fa0, %1\n fcvt.s.d fa0, fa0, rtz\n fmv.x.w %0, fa0"
                     : "=r"(got) : "r"(bits) : "fa0");
    return got;
}

/* S: s or d. M: w or d, as the move instructions call them */
#define TWO(name, S, M, MODE, LOAD)                                                              \
    {                                                                                            \
        uint64_t hash = HASH_START;                                                              \
        for (unsigned i = 0; i < COUNT; i++)                                                     \
            for (unsigned j = 0; j < COUNT; j++) {                                               \
                uint64_t got, a = LOAD(table[i]), b = LOAD(table[j]);                            \
                flags();                                                                         \
                __asm__ volatile("fmv." M ".x fa0, %1\n fmv." M ".x fa1, %2\n"                   \
                                 name "." S " fa0, fa0, fa1, " MODE "\n fmv.x." M " %0, fa0"     \
                                 : "=r"(got) : "r"(a), "r"(b) : "fa0", "fa1");                   \
                hash = fold(fold(hash, got), flags());                                           \
            }                                                                                    \
        line(name "." S "." MODE, hash);                                                         \
    }
#define THREE(name, S, M, MODE, LOAD)                                                            \
    {                                                                                            \
        uint64_t hash = HASH_START;                                                              \
        for (unsigned i = 0; i < COUNT; i++)                                                     \
            for (unsigned j = 0; j < COUNT; j++) {                                               \
                uint64_t got, a = LOAD(table[i]), b = LOAD(table[j]);                            \
                uint64_t c = LOAD(table[(i + j) % COUNT]);                                       \
                flags();                                                                         \
                __asm__ volatile("fmv." M ".x fa0, %1\n fmv." M ".x fa1, %2\n"                   \
                                 "fmv." M ".x fa2, %3\n"                                         \
                                 name "." S " fa0, fa0, fa1, fa2, " MODE "\n fmv.x." M " %0, fa0" \
                                 : "=r"(got) : "r"(a), "r"(b), "r"(c) : "fa0", "fa1", "fa2");    \
                hash = fold(fold(hash, got), flags());                                           \
            }                                                                                    \
        line(name "." S "." MODE, hash);                                                         \
    }
#define SQRT(S, M, MODE, LOAD)                                                                   \
    {                                                                                            \
        uint64_t hash = HASH_START;                                                              \
        for (unsigned i = 0; i < COUNT; i++) {                                                   \
            uint64_t got, a = LOAD(table[i]);                                                    \
            flags();                                                                             \
            __asm__ volatile("fmv." M ".x fa0, %1\n fsqrt." S " fa0, fa0, " MODE "\n"            \
                             "fmv.x." M " %0, fa0" : "=r"(got) : "r"(a) : "fa0");                \
            hash = fold(fold(hash, got), flags());                                               \
        }                                                                                        \
        line("fsqrt." S "." MODE, hash);                                                         \
    }
#define TO_INT(W, S, M, MODE, LOAD)                                                              \
    {                                                                                            \
        uint64_t hash = HASH_START;                                                              \
        for (unsigned i = 0; i < COUNT; i++) {                                                   \
            uint64_t got, a = LOAD(table[i]);                                                    \
            flags();                                                                             \
            __asm__ volatile("fmv." M ".x fa0, %1\n fcvt." W "." S " %0, fa0, " MODE             \
                             : "=r"(got) : "r"(a) : "fa0");                                      \
            hash = fold(fold(hash, got), flags());                                               \
        }                                                                                        \
        line("fcvt." W "." S "." MODE, hash);                                                    \
    }
#define FROM_INT(W, S, M, MODE)                                                                  \
    {                                                                                            \
        uint64_t hash = HASH_START;                                                              \
        for (unsigned i = 0; i < COUNT; i++) {                                                   \
            uint64_t got;                                                                        \
            flags();                                                                             \
            __asm__ volatile("fcvt." S "." W " fa0, %1, " MODE "\n fmv.x." M " %0, fa0"          \
                             : "=r"(got) : "r"(table[i]) : "fa0");                               \
            hash = fold(fold(hash, got), flags());                                               \
        }                                                                                        \
        line("fcvt." S "." W "." MODE, hash);                                                    \
    }
#define NARROW(MODE)                                                                             \
    {                                                                                            \
        uint64_t hash = HASH_START;                                                              \
        for (unsigned i = 0; i < COUNT; i++) {                                                   \
            uint64_t got;                                                                        \
            flags();                                                                             \
            __asm__ volatile("fmv.d.x fa0, %1\n fcvt.s.d fa0, fa0, " MODE "\n fmv.x.w %0, fa0"   \
                             : "=r"(got) : "r"(table[i]) : "fa0");                               \
            hash = fold(fold(hash, got), flags());                                               \
        }                                                                                        \
        line("fcvt.s.d." MODE, hash);                                                            \
    }
#define AS_IS(x) (x)
#define OF(S, M, MODE, LOAD)                                                                     \
    TWO("fadd", S, M, MODE, LOAD) TWO("fsub", S, M, MODE, LOAD) TWO("fmul", S, M, MODE, LOAD)    \
    TWO("fdiv", S, M, MODE, LOAD) SQRT(S, M, MODE, LOAD)                                         \
    THREE("fmadd", S, M, MODE, LOAD) THREE("fmsub", S, M, MODE, LOAD)                            \
    THREE("fnmsub", S, M, MODE, LOAD) THREE("fnmadd", S, M, MODE, LOAD)                          \
    TO_INT("w", S, M, MODE, LOAD) TO_INT("wu", S, M, MODE, LOAD)                                 \
    TO_INT("l", S, M, MODE, LOAD) TO_INT("lu", S, M, MODE, LOAD)
#define BOTH(MODE)                                                                               \
    static void mode_##MODE(void) { EACH(#MODE) }
#define EACH(MODE)                                                                               \
    OF("s", "w", MODE, as_float) OF("d", "d", MODE, AS_IS)                                       \
    FROM_INT("w", "s", "w", MODE) FROM_INT("wu", "s", "w", MODE)                                 \
    FROM_INT("l", "s", "w", MODE) FROM_INT("lu", "s", "w", MODE)                                 \
    FROM_INT("l", "d", "d", MODE) FROM_INT("lu", "d", "d", MODE) NARROW(MODE)
BOTH(rne)
BOTH(rtz)
BOTH(rdn)
BOTH(rup)
BOTH(rmm)

/* Loads and stores of the floating-point registers, all forms of address that have short ones. */
static void moves(void)
{
    uint64_t cells[4] = {0x123456789abcdef0, 0xfedcba9876543210, 0, 0}, hash = HASH_START, boxed;
    __asm__ volatile("fld fa0, 0(%0)\n fld fs8, 8(%0)\n fsd fa0, 16(%0)\n fsd fs8, 24(%0)"
                     : : "r"(cells) : "fa0", "fs8", "memory");
    hash = fold(fold(hash, cells[2]), cells[3]);
    __asm__ volatile("flw fa1, 4(%1)\n flw ft9, 8(%1)\n fsw fa1, 16(%1)\n fsw ft9, 28(%1)\n"
                     "fmv.x.d %0, fa1" : "=&r"(boxed) : "r"(cells) : "fa1", "ft9", "memory");
    cells[1] = boxed;
    for (int i = 0; i < 4; i++)
        hash = fold(hash, cells[i]);
    __asm__ volatile("addi sp, sp, -32\n fmv.d.x fa2, %1\n fsd fa2, 8(sp)\n fld fa3, 8(sp)\n"
                     "sw %1, 16(sp)\n lw a3, 16(sp)\n sd a3, 24(sp)\n ld a4, 24(sp)\n"
                     "addi a5, sp, 16\n lw a5, 0(a5)\n add a4, a4, a5\n addi sp, sp, 32\n"
                     "c.nop\n fmv.x.d %0, fa3\n xor %0, %0, a4"
                     : "=&r"(cells[0]) : "r"(cells[3]) : "a3", "a4", "a5", "fa2", "fa3", "memory");
    line("moves", fold(hash, cells[0]));
}

#define CSR(text, name, in)                                                                      \
    {                                                                                            \
        uint64_t got, after;                                                                     \
        __asm__ volatile(text "\n csrr %1, fcsr" : "=&r"(got), "=r"(after) : "r"((uint64_t)in)); \
        line(name " read", got);                                                                 \
        line(name " fcsr", after);                                                               \
    }

int main(int hart)
{
    if (hart)
        return 0;
    mode_rne();
    mode_rtz();
    mode_rdn();
    mode_rup();
    mode_rmm();
    moves();
    CSR("csrrw %0, fcsr, %2", "csrrw", 0xabcdef5a)
    CSR("csrrs %0, fflags, %2", "csrrs", 0x05)
    CSR("csrrc %0, fflags, %2", "csrrc", 0x0f)
    CSR("csrrwi %0, frm, 3", "csrrwi", 0)
    CSR("csrrsi %0, fcsr, 17", "csrrsi", 0)
    CSR("csrrci %0, frm, 1", "csrrci", 0)
    CSR("csrrc %0, frm, x0", "csrrc x0", 0)
    CSR("csrrw %0, frm, %2", "csrrw frm", 0)
    __asm__ volatile("fence\n fence rw, w\n fence r, r"); /* fence.i is in traps.c */
    text("end\n");
    return 0;
}
#ifdef HOSTED
START
#endif
