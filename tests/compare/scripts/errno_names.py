# The numbers of errors and how an OSError with one is written.
import uerrno

print(uerrno.errorcode)
for n in (
    1,
    2,
    5,
    9,
    11,
    12,
    13,
    16,
    17,
    19,
    21,
    22,
    28,
    30,
    95,
    98,
    103,
    104,
    105,
    107,
    110,
    111,
    112,
    113,
    114,
    115,
    116,
    118,
    119,
    120,
    128,
    2001,
):
    print(n, repr(OSError(n)), OSError(n))
