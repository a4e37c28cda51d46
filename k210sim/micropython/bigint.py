"""Integers beyond the small range: heap objects with 16-bit digits, as the firmware keeps them.

The host computes the values; what is modelled here is how many digits each operation allocates,
when temporaries come and go, and that memory is asked for before a result is computed, so that
`10**10**8` ends in a MemoryError at once. Results stay heap integers even when they are small.
Source: micropython v1.11 py/mpz.c, py/objint_mpz.c (facts: allocation sizes and order).
"""

from __future__ import annotations

from k210sim.micropython import ops
from k210sim.micropython.layout import RAM_BASE, TYPE

DIGIT = 16
LEAST = 2  # digits allocated at least
WORD_DIGITS = 4  # digits that a machine word takes
STRUCT_BYTES = 24  # a number without an object around it


def digits_of(value: int) -> int:
    return (value.bit_length() + DIGIT - 1) // DIGIT


class Big:
    """A number and the heap block of its digits. `fixed` ones live on the C stack."""

    __slots__ = ("vm", "value", "alloc", "addr", "fixed", "box")

    def __init__(self, vm, value: int = 0, *, fixed: bool = False, box: int = 0):
        self.vm, self.value, self.fixed, self.box = vm, value, fixed, box
        self.alloc = WORD_DIGITS if fixed else 0
        self.addr = 0

    @property
    def n(self) -> int:
        """Digits in use."""
        return digits_of(self.value)

    def need(self, digits: int) -> None:
        """Room for that many digits; MemoryError if there is none."""
        digits = max(digits, LEAST)
        if not self.fixed and (not self.addr or self.alloc < digits):
            self.addr = self.vm.realloc(self.addr, self.alloc * 2, digits * 2)
            self.alloc = digits

    def set_int(self, value: int) -> Big:
        """A machine word's value."""
        if value:
            self.need(WORD_DIGITS)
        self.value = value
        return self

    def set(self, other: Big) -> None:
        self.need(other.n)
        self.value = other.value

    def clone(self) -> Big:
        """A copy whose struct is a heap block of its own."""
        copy = Big(self.vm, self.value, box=self.vm.malloc(STRUCT_BYTES))
        copy.addr = self.vm.malloc(self.alloc * 2)
        copy.alloc = self.alloc
        return copy

    def free(self) -> None:
        """Give digits (and struct) back at once."""
        if self.addr and not self.fixed:
            self.vm.free_temp(self.addr, self.alloc * 2)
            self.addr = 0
        if self.box:
            self.vm.free_temp(self.box, STRUCT_BYTES)
            self.box = 0

    # --- arithmetic: self receives the result --------------------------------------------------
    def add(self, a: Big, b: Big) -> None:
        most = max(a.n, b.n)
        same = (a.value < 0) == (b.value < 0)
        self.need(most + 1 if same else most)
        self.value = a.value + b.value

    def sub(self, a: Big, b: Big) -> None:
        most = max(a.n, b.n)
        differ = (a.value < 0) != (b.value < 0)
        self.need(most + 1 if differ else most)
        self.value = a.value - b.value

    def mul(self, a: Big, b: Big) -> None:
        if not a.value or not b.value:
            self.set_int(0)
            return
        copy = None
        if a is self:
            a = copy = a.clone()
            if b is self:
                b = a
        elif b is self:
            b = copy = b.clone()
        self.need(a.n + b.n)
        self.vm.checkpoint()
        self.value = a.value * b.value
        if copy is not None:
            copy.free()

    def divmod(self, rest: Big, a: Big, b: Big) -> None:
        """self, rest = divmod(a, b); b is not zero."""
        quotient, remainder = divmod(a.value, b.value)
        borrow = bool(remainder) and (a.value < 0) != (b.value < 0)
        self.need(a.n + 1)
        rest.need(a.n + 1)
        if borrow:
            # The correction adds a temporary minus one to the quotient,
            # whose digits the firmware never gives back.
            Big(self.vm).set_int(-1)
            self.need(digits_of(quotient + 1) + 1)
        self.value, rest.value = quotient, remainder

    def bitwise(self, op: int, a: Big, b: Big) -> None:
        most = max(a.n, b.n)
        negatives = (a.value < 0) + (b.value < 0)
        plain = negatives == 0 or (op == ops.XOR and negatives == 2)
        self.need(most if plain else most + 1)
        if op == ops.AND:
            self.value = a.value & b.value
        elif op == ops.OR:
            self.value = a.value | b.value
        else:
            self.value = a.value ^ b.value

    def shift_left(self, a: Big, count: int) -> None:
        if not a.value or not count:
            self.set(a)
            return
        self.need(a.n + (count + DIGIT - 1) // DIGIT)
        self.value = a.value << count

    def shift_right(self, a: Big, count: int) -> None:
        if not a.value or not count:
            self.set(a)
            return
        self.need(a.n)
        self.value = a.value >> count

    def power(self, a: Big, b: Big) -> None:
        """a ** b for b >= 0, by repeated squaring."""
        if not a.value or b.value < 0:
            self.set_int(0)  # also 0 ** 0: the firmware looks at the base first
            return
        if not b.value:
            self.set_int(1)
            return
        x, n = a.clone(), b.clone()
        self.set_int(1)
        while n.value:
            if n.value & 1:
                self.mul(self, x)
            n.value >>= 1
            if not n.value:
                break
            x.mul(x, x)
        x.free()
        n.free()

    def power_mod(self, a: Big, b: Big, m: Big) -> None:
        """a ** b % m."""
        if not a.value or b.value < 0 or m.value in (1, -1):
            self.set_int(0)
            return
        self.set_int(1)
        if not b.value:
            return
        x, n, quotient = a.clone(), b.clone(), Big(self.vm)
        while n.value:
            if n.value & 1:
                self.mul(self, x)
                quotient.divmod(self, self, m)
            n.value >>= 1
            if not n.value:
                break
            x.mul(x, x)
            quotient.divmod(x, x, m)
        quotient.free()
        x.free()
        n.free()


# --- objects -------------------------------------------------------------------------------------
def read(vm, o: int) -> Big:
    """The number of an int object; a small one is laid out on the C stack."""
    if o & 1:
        return Big(vm, o >> 1, fixed=True)
    at = (o - RAM_BASE) >> 3
    big = Big(vm, vm.big_int_value(o), fixed=True)
    big.alloc = vm.words[at + 1] >> 2
    return big


class Result:
    """An int object being made: the object first, its digits by the operation."""

    __slots__ = ("o", "big")

    def __init__(self, vm):
        self.o = vm.new_object(TYPE["int"], 32)
        self.big = Big(vm)

    def store(self) -> int:
        """Write the digits; the object's word."""
        big, vm = self.big, self.big.vm
        at = (self.o - RAM_BASE) >> 3
        count = big.n
        vm.words[at + 1] = (big.value < 0) | big.alloc << 2
        vm.words[at + 2], vm.words[at + 3] = count, big.addr
        if count:
            vm.memory.write(big.addr, abs(big.value).to_bytes(count * 2, "little"))
        return self.o


def from_word(vm, value: int) -> int:
    """A heap integer of a machine word's value."""
    result = Result(vm)
    result.big.need(WORD_DIGITS)
    result.big.value = value
    return result.store()


def from_digits(vm, value: int, text_length: int) -> int:
    """A heap integer parsed from that many characters."""
    result = Result(vm)
    result.big.need(max(text_length * 8 // DIGIT + 1, digits_of(value)))
    result.big.value = value
    return result.store()


def from_bytes(vm, value: int, length: int) -> int:
    """A heap integer made of that many bytes."""
    result = Result(vm)
    result.big.need((length * 8 + DIGIT - 1) // DIGIT)
    result.big.value = value
    return result.store()


def from_float(vm, value: int) -> int:
    """A heap integer of a float's integer part."""
    result = Result(vm)
    if abs(value) < 2:
        result.big.set_int(value)
    else:
        result.big.need((value.bit_length() + DIGIT - 1) // DIGIT)
        result.big.value = value
    return result.store()


def checked(vm, value: int) -> int:
    """A value that must fit a machine word (the most negative one does not)."""
    if abs(value) >= 1 << 63:
        raise vm.error("OverflowError", "overflow converting long int to machine word",
                       formatted=False)
    return value


def text_of(value: int) -> str:
    """Decimal text of any size (the host's own conversion is limited and quadratic)."""
    if value.bit_length() <= 12000:
        return str(value)
    import decimal

    sign, value = ("-", -value) if value < 0 else ("", value)
    context = decimal.Context(prec=decimal.MAX_PREC, Emax=decimal.MAX_EMAX,
                              Emin=decimal.MIN_EMIN)
    powers: dict[int, decimal.Decimal] = {}

    def power(n: int) -> decimal.Decimal:
        if n not in powers:
            if n <= 2000:
                powers[n] = decimal.Decimal(1 << n)
            else:
                half = n // 2
                powers[n] = context.multiply(power(half), power(n - half))
        return powers[n]

    def convert(number: int, n_bits: int) -> decimal.Decimal:
        if n_bits <= 2000:
            return decimal.Decimal(number)
        half = n_bits // 2
        high = convert(number >> half, n_bits - half)
        low = convert(number & ((1 << half) - 1), half)
        return context.add(context.multiply(high, power(half)), low)

    return sign + format(convert(value, value.bit_length()), "f")


def format_size(n_bits: int, base: int, prefix: str, comma: bool) -> int:
    """Bytes the firmware reserves for the text of a number of that many bits."""
    digits = n_bits // (base.bit_length() - 1) + 1
    return digits + (digits // 3 if comma else 0) + len(prefix) + 2


STACK_TEXT = 32  # longer texts are built in a heap buffer
_LETTER = {2: "b", 8: "o", 10: "d", 16: "x"}


def formatted(vm, o: int, base: int = 10, prefix: str = "", upper: bool = False,
              comma: str = "") -> str:
    """Text of an int object in base 2, 8, 10 or 16; the sign stands before the prefix."""
    small = bool(o & 1)
    value = o >> 1 if small else vm.big_int_value(o)
    n_bits = 64 if small else digits_of(value) * DIGIT
    size = format_size(n_bits, base, prefix, bool(comma))
    buffers = []
    if size > STACK_TEXT:
        buffers.append((vm.malloc(size), size))
    if not small and value:
        copy = digits_of(value) * 2
        buffers.append((vm.malloc(copy), copy))
    text = text_of(abs(value)) if base == 10 else format(abs(value), _LETTER[base])
    for addr, length in reversed(buffers):
        vm.free_temp(addr, length)
    if upper:
        text = text.upper()
    if comma:
        head = len(text) % 3
        groups = [text[:head]] if head else []
        groups += [text[i : i + 3] for i in range(head, len(text), 3)]
        text = comma.join(groups)
        if not small and value and not head:
            text = comma + text  # as the board prints heap integers
    return ("-" if value < 0 else "") + prefix + text
