/* Start of every test program: a stack for each hart, floating point on, then main(hart).
 * A trap saves what C may change and calls trap(cause, epc, tval), which returns where to go on.
 */
    .section .text.start
    .globl _start
_start:
    csrr a0, mhartid
    li t0, 0x6000
    csrs mstatus, t0
    la t0, entry
    csrw mtvec, t0
    li sp, 0x80400000
    slli t0, a0, 16
    sub sp, sp, t0
    fscsr zero
    call main
1:  wfi
    j 1b

    .align 2
entry:
    addi sp, sp, -128
    sd ra, 0(sp)
    sd t0, 8(sp)
    sd t1, 16(sp)
    sd t2, 24(sp)
    sd t3, 32(sp)
    sd t4, 40(sp)
    sd t5, 48(sp)
    sd t6, 56(sp)
    sd a0, 64(sp)
    sd a1, 72(sp)
    sd a2, 80(sp)
    sd a3, 88(sp)
    sd a4, 96(sp)
    sd a5, 104(sp)
    sd a6, 112(sp)
    sd a7, 120(sp)
    csrr a0, mcause
    csrr a1, mepc
    csrr a2, mtval
    call trap
    csrw mepc, a0
    ld ra, 0(sp)
    ld t0, 8(sp)
    ld t1, 16(sp)
    ld t2, 24(sp)
    ld t3, 32(sp)
    ld t4, 40(sp)
    ld t5, 48(sp)
    ld t6, 56(sp)
    ld a0, 64(sp)
    ld a1, 72(sp)
    ld a2, 80(sp)
    ld a3, 88(sp)
    ld a4, 96(sp)
    ld a5, 104(sp)
    ld a6, 112(sp)
    ld a7, 120(sp)
    addi sp, sp, 128
    mret

    .weak trap
trap:
    j trap
