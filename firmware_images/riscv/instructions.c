/* Every integer, atomic and compressed instruction on a table of operands; one hash a line. */
#include "io.h"

int main(int hart);
START

static const uint64_t operands[] = {
    0, 1, 2, 3, 7, 31, 32, 33, 63, 64, 127, 128, 255, 0x7ff, 0x800, 0x7fff, 0x8000, 0xffff,
    0x7fffffff, 0x80000000, 0x80000001, 0xffffffff, 0x100000000, 0x123456789abcdef0,
    0x7fffffffffffffff, 0x8000000000000000, 0x8000000000000001, 0xfedcba9876543210,
    0xffffffff7fffffff, 0xffffffff80000000, 0xfffffffffffff800, 0xfffffffffffffffd,
    0xfffffffffffffffe, 0xffffffffffffffff,
};
#define COUNT (int)(sizeof operands / sizeof *operands)

#define TWO(name)                                                                       \
    do {                                                                                \
        uint64_t h = HASH_START;                                                        \
        for (int i = 0; i < COUNT; i++)                                                 \
            for (int j = 0; j < COUNT; j++) {                                           \
                uint64_t r;                                                             \
                __asm__(name " %0, %1, %2" : "=r"(r) : "r"(operands[i]), "r"(operands[j])); \
                h = fold(h, r);                                                         \
            }                                                                           \
        line(name, h);                                                                  \
    } while (0)

#define ONE(name, constants)                                                            \
    do {                                                                                \
        uint64_t h = HASH_START;                                                        \
        for (int i = 0; i < COUNT; i++) {                                               \
            uint64_t r;                                                                 \
            __asm__(name " %0, %1, " constants : "=r"(r) : "r"(operands[i]));           \
            h = fold(h, r);                                                             \
        }                                                                               \
        line(name " " constants, h);                                                    \
    } while (0)

/* compressed: the destination is also the first source, in a0 and a1 */
#define SHORT2(name)                                                                    \
    do {                                                                                \
        uint64_t h = HASH_START;                                                        \
        for (int i = 0; i < COUNT; i++)                                                 \
            for (int j = 0; j < COUNT; j++) {                                           \
                register uint64_t r __asm__("a0") = operands[i];                        \
                register uint64_t s __asm__("a1") = operands[j];                        \
                __asm__(name " %0, %1" : "+r"(r) : "r"(s));                             \
                h = fold(h, r);                                                         \
            }                                                                           \
        line(name, h);                                                                  \
    } while (0)

#define SHORT1(name, constant)                                                          \
    do {                                                                                \
        uint64_t h = HASH_START;                                                        \
        for (int i = 0; i < COUNT; i++) {                                               \
            register uint64_t r __asm__("a0") = operands[i];                            \
            __asm__(name " %0, " constant : "+r"(r));                                   \
            h = fold(h, r);                                                             \
        }                                                                               \
        line(name " " constant, h);                                                     \
    } while (0)

#define BRANCH(name)                                                                    \
    do {                                                                                \
        uint64_t h = HASH_START;                                                        \
        for (int i = 0; i < COUNT; i++)                                                 \
            for (int j = 0; j < COUNT; j++) {                                           \
                uint64_t r = 1;                                                         \
                __asm__(name " %1, %2, 1f\n li %0, 0\n1:"                               \
                        : "+r"(r) : "r"(operands[i]), "r"(operands[j]));                \
                h = fold(h, r);                                                         \
            }                                                                           \
        line(name, h);                                                                  \
    } while (0)

static uint64_t cells[64];

#define LOAD(name, step)                                                                \
    do {                                                                                \
        uint64_t h = HASH_START, seed = 88172645463325252u;                             \
        for (int i = 0; i < 64; i++)                                                    \
            cells[i] = scramble(&seed);                                                 \
        for (int i = 64; i + 8 <= 448; i += step) {                                     \
            uint64_t r, s, t;                                                           \
            char *at = (char *)cells + i;                                               \
            __asm__(name " %0, 0(%3)\n" name " %1, -64(%3)\n" name " %2, 56(%3)"        \
                    : "=&r"(r), "=&r"(s), "=r"(t) : "r"(at), "m"(cells));               \
            h = fold(fold(fold(h, r), s), t);                                           \
        }                                                                               \
        line(name, h);                                                                  \
    } while (0)

#define STORE(name, step)                                                               \
    do {                                                                                \
        uint64_t h = HASH_START, seed = 88172645463325252u;                             \
        for (int i = 0; i < 64; i++)                                                    \
            cells[i] = scramble(&seed);                                                 \
        for (int i = 64; i + 8 <= 448; i += step) {                                     \
            char *at = (char *)cells + i;                                               \
            __asm__ volatile(name " %0, -64(%1)" : : "r"(operands[i % COUNT]), "r"(at) : "memory"); \
        }                                                                               \
        for (int i = 0; i < 64; i++)                                                    \
            h = fold(h, cells[i]);                                                      \
        line(name, h);                                                                  \
    } while (0)

#define AMO(name)                                                                       \
    do {                                                                                \
        uint64_t h = HASH_START;                                                        \
        for (int i = 0; i < COUNT; i++)                                                 \
            for (int j = 0; j < COUNT; j++) {                                           \
                uint64_t r;                                                             \
                cells[1] = operands[i];                                                 \
                __asm__ volatile(name " %0, %1, (%2)"                                   \
                                 : "=r"(r) : "r"(operands[j]), "r"(&cells[1]) : "memory"); \
                h = fold(fold(h, r), cells[1]);                                         \
            }                                                                           \
        line(name, h);                                                                  \
    } while (0)

static void arithmetic(void)
{
    TWO("add"); TWO("sub"); TWO("sll"); TWO("slt"); TWO("sltu"); TWO("xor"); TWO("srl");
    TWO("sra"); TWO("or"); TWO("and"); TWO("addw"); TWO("subw"); TWO("sllw"); TWO("srlw");
    TWO("sraw");
    TWO("mul"); TWO("mulh"); TWO("mulhsu"); TWO("mulhu"); TWO("div"); TWO("divu"); TWO("rem");
    TWO("remu"); TWO("mulw"); TWO("divw"); TWO("divuw"); TWO("remw"); TWO("remuw");
    ONE("addi", "-2048"); ONE("addi", "2047"); ONE("slti", "-1"); ONE("slti", "64");
    ONE("sltiu", "-1"); ONE("sltiu", "1"); ONE("xori", "-1"); ONE("xori", "1365");
    ONE("ori", "-2048"); ONE("ori", "273"); ONE("andi", "-16"); ONE("andi", "2047");
    ONE("slli", "1"); ONE("slli", "63"); ONE("srli", "1"); ONE("srli", "63"); ONE("srai", "1");
    ONE("srai", "63"); ONE("addiw", "-2048"); ONE("addiw", "2047"); ONE("slliw", "31");
    ONE("slliw", "1"); ONE("srliw", "31"); ONE("srliw", "1"); ONE("sraiw", "31"); ONE("sraiw", "1");
}

static void compressed(void)
{
    SHORT2("c.add"); SHORT2("c.mv"); SHORT2("c.sub"); SHORT2("c.xor"); SHORT2("c.or");
    SHORT2("c.and"); SHORT2("c.subw"); SHORT2("c.addw");
    SHORT1("c.addi", "-32"); SHORT1("c.addi", "31"); SHORT1("c.addiw", "-32");
    SHORT1("c.addiw", "0"); SHORT1("c.li", "-32"); SHORT1("c.li", "31"); SHORT1("c.lui", "1");
    SHORT1("c.lui", "0xfffe0"); SHORT1("c.slli", "1"); SHORT1("c.slli", "63");
    SHORT1("c.srli", "1"); SHORT1("c.srli", "63"); SHORT1("c.srai", "1"); SHORT1("c.srai", "63");
    SHORT1("c.andi", "-32"); SHORT1("c.andi", "31");

    uint64_t h = HASH_START, got[5];
    for (int i = 0; i < 64; i++)
        cells[i] = operands[i % COUNT];
    __asm__ volatile(
        "mv a2, %5\n li a3, 0x1122334455667788\n li a4, 0x55667788aabbccdd\n"
        "c.ld a0, 248(a2)\n mv %0, a0\n c.lw a0, 124(a2)\n mv %1, a0\n c.lw a0, 0(a2)\n"
        "mv %2, a0\n c.sd a3, 248(a2)\n c.sw a3, 60(a2)\n"
        "c.addi16sp sp, -496\n c.sdsp a3, 488(sp)\n c.swsp a4, 248(sp)\n c.ldsp %3, 488(sp)\n"
        "c.lwsp %4, 248(sp)\n c.addi4spn a0, sp, 1020\n c.sub a0, a0\n c.addi16sp sp, 496\n"
        : "=&r"(got[0]), "=&r"(got[1]), "=&r"(got[2]), "=&r"(got[3]), "=&r"(got[4])
        : "r"(cells + 8) : "a0", "a2", "a3", "a4", "memory");
    for (int i = 0; i < 5; i++)
        h = fold(h, got[i]);
    for (int i = 0; i < 64; i++)
        h = fold(h, cells[i]);
    line("c.memory", h);
    h = HASH_START;
    for (int i = 0; i < COUNT; i++) {
        register uint64_t a __asm__("a0") = operands[i];
        __asm__ volatile("c.beqz %0, 1f\n c.addi %0, 5\n1: c.bnez %0, 2f\n c.addi %0, 7\n"
                         "2: c.j 3f\n c.li %0, 0\n3:" : "+r"(a));
        h = fold(h, a);
    }
    line("c.branch", h);
    uint64_t count = 0, t = 0;
    __asm__ volatile("la %1, 1f\n mv t0, ra\n c.jalr %1\n c.j 2f\n1: c.addi %0, 9\n c.jr ra\n"
                     "2: mv ra, t0" : "+r"(count), "+r"(t) : : "ra", "t0");
    line("c.jump", count);
}

static void memory(void)
{
    LOAD("lb", 1); LOAD("lbu", 1); LOAD("lh", 2); LOAD("lhu", 2); LOAD("lw", 4); LOAD("lwu", 4);
    LOAD("ld", 8);
    STORE("sb", 1); STORE("sh", 2); STORE("sw", 4); STORE("sd", 8);
    AMO("amoadd.w"); AMO("amoswap.w"); AMO("amoxor.w"); AMO("amoand.w"); AMO("amoor.w");
    AMO("amomin.w"); AMO("amomax.w"); AMO("amominu.w"); AMO("amomaxu.w");
    AMO("amoadd.d"); AMO("amoswap.d"); AMO("amoxor.d"); AMO("amoand.d"); AMO("amoor.d");
    AMO("amomin.d"); AMO("amomax.d"); AMO("amominu.d"); AMO("amomaxu.d");
    uint64_t r, s, h = HASH_START;
    cells[2] = 0xfedcba9876543210;
    __asm__ volatile("lr.w %0, (%2)\n sc.w %1, %3, (%2)" : "=&r"(r), "=&r"(s)
                     : "r"(&cells[2]), "r"(0x89abcdefu) : "memory");
    h = fold(fold(fold(h, r), s), cells[2]);
    __asm__ volatile("lr.d %0, (%2)\n sc.d %1, %3, (%2)" : "=&r"(r), "=&r"(s)
                     : "r"(&cells[2]), "r"(operands[27]) : "memory");
    h = fold(fold(fold(h, r), s), cells[2]);
    __asm__ volatile("sc.d %0, %2, (%1)" : "=&r"(s) : "r"(&cells[2]), "r"(operands[3]) : "memory");
    h = fold(fold(h, s), cells[2]);
    line("lr sc", h);
}

static void jumps(void)
{
    BRANCH("beq"); BRANCH("bne"); BRANCH("blt"); BRANCH("bge"); BRANCH("bltu"); BRANCH("bgeu");
    uint64_t a, b;
    __asm__("lui %0, 0x80000\n lui %1, 0x12345" : "=&r"(a), "=r"(b));
    line("lui", fold(fold(HASH_START, a), b));
    __asm__("1: auipc %0, 0\n2: auipc %1, 0xfffff\n sub %0, %1, %0" : "=&r"(a), "=&r"(b));
    line("auipc", a);
    __asm__ volatile("li %0, 1\n jal %1, 1f\n li %0, 2\n1: la %1, 2f\n addi %1, %1, 1\n"
                     "jalr %1, 0(%1)\n li %0, 3\n2:" : "=&r"(a), "=&r"(b));
    line("jal jalr", a);
}

int main(int hart)
{
    if (hart)
        return 0;
    arithmetic();
    compressed();
    memory();
    jumps();
    text("end\n");
    return 0;
}
