"""Numbers of IEEE 754 as RISC-V's registers and flags hold them."""

NX, UF, OF, DZ, NV = 1, 2, 4, 8, 16  # flags
RNE, RTZ, RDN, RUP, RMM = 0, 1, 2, 3, 4  # rounding modes
ZERO, FINITE, INF, QNAN, SNAN = 0, 1, 2, 3, 4  # classes, see softfloat.py
NAN64 = 0x7FF8000000000000
NAN32 = 0x7FC00000
BOX = -(1 << 32)  # the upper half of a register that holds a single
