/* Every instruction of F and D, in all rounding modes, results and flags; one hash a line. */
#include "io.h"

int main(int hart);
START

static const uint64_t special64[] = {
    0, 0x8000000000000000, 1, 0x8000000000000001, 0x000fffffffffffff, 0x0010000000000000,
    0x8010000000000000, 0x0010000000000001, 0x3ca0000000000000, 0x3fe0000000000000,
    0x3fefffffffffffff, 0x3ff0000000000000, 0xbff0000000000000, 0x3ff0000000000001,
    0x3ff8000000000000, 0x4000000000000000, 0x4008000000000000, 0x41dfffffffc00000,
    0xc1e0000000000000, 0x41efffffffe00000, 0x43dfffffffffffff, 0x43e0000000000000,
    0xc3e0000000000000, 0x43efffffffffffff, 0x7fe0000000000000, 0x7fefffffffffffff,
    0xffefffffffffffff, 0x7ff0000000000000, 0xfff0000000000000, 0x7ff0000000000001,
    0x7ff8000000000000, 0xfff8000000001234, 0x47efffffe0000000, 0x47efffffefffffff,
    0x47effffff0000000, 0x3810000000000000, 0x380fffffe0000000, 0x380fffffffffffff,
    0x36a0000000000000, 0x3690000000000001,
};
static const uint32_t special32[] = {
    0, 0x80000000, 1, 0x80000001, 0x007fffff, 0x00800000, 0x80800000, 0x00800001, 0x33800000,
    0x3f000000, 0x3f7fffff, 0x3f800000, 0xbf800000, 0x3f800001, 0x3fc00000, 0x40000000,
    0x40400000, 0x4effffff, 0xcf000000, 0x4f7fffff, 0x5effffff, 0x5f000000, 0xdf000000,
    0x5f7fffff, 0x7f000000, 0x7f7fffff, 0xff7fffff, 0x7f800000, 0xff800000, 0x7f800001,
    0x7fc00000, 0xffc01234,
};
#define COUNT 56
static uint64_t wide[COUNT];
static uint32_t narrow[COUNT];

static inline uint64_t flags(void)
{
    uint64_t f;
    __asm__ volatile("fsflags %0, zero" : "=r"(f));
    return f;
}

static inline void mode(int m) { __asm__ volatile("fsrm zero, %0" : : "r"((long)m)); }

#define TWO(name, load, take, table)                                                      \
    do {                                                                                  \
        uint64_t h = HASH_START;                                                          \
        for (int m = 0; m < 5; m++)                                                       \
            for (int i = 0; i < COUNT; i++)                                               \
                for (int j = 0; j < COUNT; j++) {                                         \
                    uint64_t r;                                                           \
                    mode(m);                                                              \
                    flags();                                                              \
                    __asm__ volatile(load " ft0, %1\n " load " ft1, %2\n " name "\n " take " %0, ft2" \
                                     : "=r"(r) : "r"(table[i]), "r"(table[j])             \
                                     : "ft0", "ft1", "ft2");                              \
                    h = fold(h, r * 32 + flags());                                        \
                    h = fold(h, r >> 32);                                                 \
                }                                                                         \
        mode(0);                                                                          \
        line(name, h);                                                                    \
    } while (0)

#define THREE(name, load, take, table)                                                    \
    do {                                                                                  \
        uint64_t h = HASH_START, seed = 88172645463325252u;                               \
        for (int n = 0; n < 12000; n++) {                                                 \
            uint64_t r, s = scramble(&seed);                                              \
            mode(n % 5);                                                                  \
            flags();                                                                      \
            __asm__ volatile(load " ft0, %1\n " load " ft1, %2\n " load " ft3, %3\n "     \
                             name " ft2, ft0, ft1, ft3\n " take " %0, ft2"                \
                             : "=r"(r) : "r"(table[s % COUNT]), "r"(table[(s >> 16) % COUNT]), \
                               "r"(table[(s >> 32) % COUNT])                              \
                             : "ft0", "ft1", "ft2", "ft3");                               \
            h = fold(h, r * 32 + flags());                                                \
            h = fold(h, r >> 32);                                                         \
        }                                                                                 \
        mode(0);                                                                          \
        line(name, h);                                                                    \
    } while (0)

/* rounding to nearest with the inexact flag up: the way most programs run */
#define STICKY(name, load, take, table)                                                   \
    do {                                                                                  \
        uint64_t h = HASH_START;                                                          \
        for (int i = 0; i < COUNT; i++)                                                   \
            for (int j = 0; j < COUNT; j++) {                                             \
                uint64_t r, f = 1;                                                        \
                __asm__ volatile("fsflags zero, %3\n " load " ft0, %1\n " load " ft1, %2\n " name \
                                 "\n " take " %0, ft2"                                    \
                                 : "=r"(r) : "r"(table[i]), "r"(table[j]), "r"(f)         \
                                 : "ft0", "ft1", "ft2");                                  \
                h = fold(h, r * 32 + flags());                                            \
                h = fold(h, r >> 32);                                                     \
            }                                                                             \
        line("sticky " name, h);                                                          \
    } while (0)

#define D(kind, name) kind(name ".d ft2, ft0, ft1", "fmv.d.x", "fmv.x.d", wide)
#define S(kind, name) kind(name ".s ft2, ft0, ft1", "fmv.w.x", "fmv.x.w", narrow)
#define TO_X(name, load, table)                                                           \
    do {                                                                                  \
        uint64_t h = HASH_START;                                                          \
        for (int m = 0; m < 5; m++)                                                       \
            for (int i = 0; i < COUNT; i++)                                               \
                for (int j = 0; j < COUNT; j++) {                                         \
                    uint64_t r;                                                           \
                    mode(m);                                                              \
                    flags();                                                              \
                    __asm__ volatile(load " ft0, %1\n " load " ft1, %2\n " name           \
                                     : "=r"(r) : "r"(table[i]), "r"(table[j]) : "ft0", "ft1"); \
                    h = fold(h, r * 32 + flags());                                        \
                    h = fold(h, r >> 32);                                                 \
                }                                                                         \
        mode(0);                                                                          \
        line(name, h);                                                                    \
    } while (0)
#define FROM_X(name, take)                                                                \
    do {                                                                                  \
        uint64_t h = HASH_START;                                                          \
        for (int m = 0; m < 5; m++)                                                       \
            for (int i = 0; i < COUNT; i++)                                               \
                for (int shift = 0; shift < 64; shift += 7) {                             \
                    uint64_t r;                                                           \
                    mode(m);                                                              \
                    flags();                                                              \
                    __asm__ volatile(name " ft2, %1\n " take " %0, ft2"                   \
                                     : "=r"(r) : "r"((int64_t)wide[i] >> shift) : "ft2"); \
                    h = fold(h, r * 32 + flags());                                        \
                    h = fold(h, r >> 32);                                                 \
                }                                                                         \
        mode(0);                                                                          \
        line(name, h);                                                                    \
    } while (0)

static void fill(void)
{
    uint64_t seed = 0x9e3779b97f4a7c15u;
    for (int i = 0; i < COUNT; i++) {
        int n64 = sizeof special64 / 8, n32 = sizeof special32 / 4;
        uint64_t r = scramble(&seed);
        wide[i] = i < n64 ? special64[i]
                          : (r & 0x800fffffffffffff) | (1000 + (r >> 52) % 48) << 52;
        narrow[i] = i < n32 ? special32[i]
                            : ((uint32_t)r & 0x807fffff) | (uint32_t)(115 + (r >> 40) % 24) << 23;
    }
}

int main(int hart)
{
    if (hart)
        return 0;
    fill();
    D(TWO, "fadd"); D(TWO, "fsub"); D(TWO, "fmul"); D(TWO, "fdiv");
    S(TWO, "fadd"); S(TWO, "fsub"); S(TWO, "fmul"); S(TWO, "fdiv");
    D(STICKY, "fadd"); D(STICKY, "fsub"); D(STICKY, "fmul"); D(STICKY, "fdiv");
    S(STICKY, "fadd"); S(STICKY, "fsub"); S(STICKY, "fmul"); S(STICKY, "fdiv");
    STICKY("fsqrt.d ft2, ft0", "fmv.d.x", "fmv.x.d", wide);
    STICKY("fsqrt.s ft2, ft0", "fmv.w.x", "fmv.x.w", narrow);
    TWO("fsqrt.d ft2, ft0", "fmv.d.x", "fmv.x.d", wide);
    TWO("fsqrt.s ft2, ft0", "fmv.w.x", "fmv.x.w", narrow);
    THREE("fmadd.d", "fmv.d.x", "fmv.x.d", wide); THREE("fmsub.d", "fmv.d.x", "fmv.x.d", wide);
    THREE("fnmadd.d", "fmv.d.x", "fmv.x.d", wide); THREE("fnmsub.d", "fmv.d.x", "fmv.x.d", wide);
    THREE("fmadd.s", "fmv.w.x", "fmv.x.w", narrow); THREE("fmsub.s", "fmv.w.x", "fmv.x.w", narrow);
    THREE("fnmadd.s", "fmv.w.x", "fmv.x.w", narrow);
    THREE("fnmsub.s", "fmv.w.x", "fmv.x.w", narrow);
    D(TWO, "fsgnj"); D(TWO, "fsgnjn"); D(TWO, "fsgnjx"); D(TWO, "fmin"); D(TWO, "fmax");
    S(TWO, "fsgnj"); S(TWO, "fsgnjn"); S(TWO, "fsgnjx"); S(TWO, "fmin"); S(TWO, "fmax");
    TO_X("feq.d %0, ft0, ft1", "fmv.d.x", wide); TO_X("flt.d %0, ft0, ft1", "fmv.d.x", wide);
    TO_X("fle.d %0, ft0, ft1", "fmv.d.x", wide); TO_X("fclass.d %0, ft0", "fmv.d.x", wide);
    TO_X("feq.s %0, ft0, ft1", "fmv.w.x", narrow); TO_X("flt.s %0, ft0, ft1", "fmv.w.x", narrow);
    TO_X("fle.s %0, ft0, ft1", "fmv.w.x", narrow); TO_X("fclass.s %0, ft0", "fmv.w.x", narrow);
    TO_X("fcvt.w.d %0, ft0", "fmv.d.x", wide); TO_X("fcvt.wu.d %0, ft0", "fmv.d.x", wide);
    TO_X("fcvt.l.d %0, ft0", "fmv.d.x", wide); TO_X("fcvt.lu.d %0, ft0", "fmv.d.x", wide);
    TO_X("fcvt.w.s %0, ft0", "fmv.w.x", narrow); TO_X("fcvt.wu.s %0, ft0", "fmv.w.x", narrow);
    TO_X("fcvt.l.s %0, ft0", "fmv.w.x", narrow); TO_X("fcvt.lu.s %0, ft0", "fmv.w.x", narrow);
    TO_X("fcvt.w.d %0, ft0, rtz", "fmv.d.x", wide); TO_X("fcvt.l.s %0, ft0, rup", "fmv.w.x", narrow);
    TWO("fcvt.s.d ft2, ft0", "fmv.d.x", "fmv.x.w", wide);
    TWO("fcvt.d.s ft2, ft0", "fmv.w.x", "fmv.x.d", narrow);
    TWO("fadd.s ft2, ft0, ft1", "fmv.d.x", "fmv.x.d", wide); /* not boxed: NaN */
    FROM_X("fcvt.d.w", "fmv.x.d"); FROM_X("fcvt.d.wu", "fmv.x.d"); FROM_X("fcvt.d.l", "fmv.x.d");
    FROM_X("fcvt.d.lu", "fmv.x.d"); FROM_X("fcvt.s.w", "fmv.x.w"); FROM_X("fcvt.s.wu", "fmv.x.w");
    FROM_X("fcvt.s.l", "fmv.x.w"); FROM_X("fcvt.s.lu", "fmv.x.w");
    text("end\n");
    return 0;
}
