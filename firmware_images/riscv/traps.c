/* Provokes each exception and prints cause and mtval; the handler goes on behind the instruction. */
#include "io.h"

static volatile uint64_t cause, value, place;

uint64_t trap(uint64_t mcause, uint64_t epc, uint64_t tval)
{
    cause = mcause;
    value = tval;
    place = epc;
    if (mcause == 1) { /* instruction fetch: back to the caller, kept in s11 */
        uint64_t back;
        __asm__ volatile("mv %0, s11" : "=r"(back));
        return back;
    }
    return epc + ((*(volatile uint16_t *)epc & 3) == 3 ? 4 : 2);
}

#define TRY(name, code, ...)                                       \
    do {                                                           \
        uint64_t at, t = 0;                                        \
        cause = 99;                                                \
        __asm__ volatile("la %0, 7f\n7: " code                     \
                         : "=&r"(at), "+&r"(t) : __VA_ARGS__ : "memory", "s11"); \
        text(name);                                                \
        put(' ');                                                  \
        hex(cause, 2);                                             \
        put(' ');                                                  \
        hex(value, 16);                                            \
        text(place == at ? " here\n" : " elsewhere\n");            \
    } while (0)

static uint64_t cell[2];

int main(int hart)
{
    if (hart)
        return 0;
    uint64_t odd = (uint64_t)cell + 1, nowhere = 0x60000000, at_sysctl = 0x50440000;
    (void)at_sysctl;
    TRY("ecall", "ecall", "r"(0));
    TRY("ebreak", ".option push\n.option norvc\nebreak\n.option pop", "r"(0));
    TRY("c.ebreak", "c.ebreak", "r"(0));
    TRY("illegal", ".word 0xffffffff", "r"(0));
    TRY("c.illegal", ".half 0", "r"(0));
    TRY("csr unknown", "csrr %1, 0x123", "r"(0));
    TRY("csr read-only", "csrw mhartid, zero", "r"(0));
    TRY("csr time", "csrr %1, time", "r"(0));
    TRY("rounding mode", "fadd.d ft0, ft0, ft0, rne\n.word 0x02005053", "r"(0));
    TRY("lh misaligned", "lh %1, 0(%2)", "r"(odd));
    TRY("lw misaligned", "lw %1, 0(%2)", "r"(odd));
    TRY("ld misaligned", "ld %1, 0(%2)", "r"(odd));
    TRY("sh misaligned", "sh %1, 0(%2)", "r"(odd));
    TRY("sw misaligned", "sw %1, 0(%2)", "r"(odd));
    TRY("sd misaligned", "sd %1, 0(%2)", "r"(odd));
    TRY("fld misaligned", "fld ft0, 0(%2)", "r"(odd));
    TRY("lr misaligned", "lr.w %1, (%2)", "r"(odd));
    TRY("amo misaligned", "amoadd.d %1, zero, (%2)", "r"(odd));
    TRY("load nowhere", "ld %1, 8(%2)", "r"(nowhere));
    TRY("store nowhere", "sd %1, 8(%2)", "r"(nowhere));
    TRY("amo nowhere", "amoadd.d %1, zero, (%2)", "r"(nowhere));
    TRY("lr nowhere", "lr.d %1, (%2)", "r"(nowhere));
    TRY("fetch nowhere", "la s11, 8f\njr %2\n8:", "r"(nowhere));
    TRY("read null", "ld %1, 0(zero)", "r"(0));
    __asm__ volatile("csrc mstatus, %0" : : "r"(0x6000));
    TRY("float off", "fmv.x.d %1, ft0", "r"(0));
    __asm__ volatile("csrs mstatus, %0" : : "r"(0x6000));
    uint64_t status;
    __asm__ volatile("csrr %0, mstatus" : "=r"(status));
    line("mstatus", status);
    __asm__ volatile("csrr %0, misa" : "=r"(status));
    line("misa", status);
    /* code written at run time, seen after fence.i */
    static uint32_t made[2];
    uint64_t (*call)(void) = (uint64_t(*)(void))made;
    made[1] = 0x00008067; /* ret */
    for (int i = 1; i < 3; i++) {
        made[0] = 0x00000513u | (uint32_t)i << 20; /* li a0, i */
        __asm__ volatile("fence.i" : : : "memory");
        line("fence.i", call());
    }
    text("end\n");
    return 0;
}
