"""From a region of decoded instructions to LLVM IR.

A region becomes one function that executes exactly what the interpreter would:

    n = region(entry, hart, ram, n, budget)

`entry` is the index of the block to begin with, `hart` the hart's state (core.py lays it out), n
the instructions executed so far in this turn. A block is begun only when `budget` covers it whole.
What is not translated (most registers of devices, traps, operands that need softfloat) ends the
function in front of the instruction; the hart's PC says where, and the interpreter goes on from
there. A jump out of the region calls the region that begins there, if one does.

Registers of a loop live in local variables, which LLVM keeps in the host's. Elsewhere each block
loads what it uses and stores what it has changed: code that jumps about would spend more on moving
all registers in and out.
"""

from __future__ import annotations

from k210sim.riscv import jit_float, jit_integer, jit_register, jit_wait
from k210sim.riscv import jit_region as regions
from k210sim.riscv import opcodes as op
from k210sim.riscv import state as st
from k210sim.riscv.jit_region import (
    BRANCHES,
    FLOATS,
    LOADS,
    SIZES,
    STORES,
    UNSIGNED_LOADS,
    Block,
    Region,
    immediate,
)
from k210sim.riscv.timing import CLOCKS, INSTRUCTIONS

PARAMETERS = "i64 %entry, ptr %hart, ptr %ram, i64 %count, i64 %budget"
MOSTLY = "!prof !0"
WEIGHTS = '!0 = !{!"branch_weights", i32 1000000, i32 1}\n'
HEADS = {"x": st.X_AT, "f": st.F_AT}
CONDITIONS = {
    op.BEQ: "eq", op.BNE: "ne", op.BLT: "slt", op.BGE: "sge", op.BLTU: "ult", op.BGEU: "uge",
}  # fmt: skip


class Translator:
    """Writes the function of one region."""

    def __init__(self, region: Region, name: str, fma: bool):
        self.region, self.name, self.fma = region, name, fma
        self.starts = {block.start: number for number, block in enumerate(region.blocks)}
        self.lines: list[str] = []
        self.exits: list[str] = []
        self.uses_registers = False
        self.used: set[str] = set()  # registers as x5, f1
        self.written: set[str] = set()
        self.known: dict[str, str] = {}  # values of registers in this block
        self.changed: dict[str, str] = {}  # those not stored yet
        self._names = 0
        self.at = self.word = self.done = 0  # the instruction in hand; those before it in its block

    # --- what instructions are made of ----------------------------------------------------------

    def emit(self, text: str) -> None:
        self.lines.append("  " + text)

    def value(self, text: str) -> str:
        """The name of a new value."""
        self._names += 1
        name = f"%v{self._names}"
        self.lines.append(f"  {name} = {text}")
        return name

    def label(self, hint: str) -> str:
        self._names += 1
        return f"{hint}{self._names}"

    def x(self, number: int) -> str:
        return self._get(f"x{number}") if number else "0"

    def set_x(self, number: int, value: str) -> None:
        """Give an integer register a value; 0 and NO_RD take none."""
        if number % op.NO_RD:
            self._set(f"x{number}", value)

    def f(self, number: int) -> str:
        return self._get(f"f{number}")

    def set_f(self, number: int, value: str) -> None:
        self._set(f"f{number}", value)

    def _get(self, register: str) -> str:
        self.used.add(register)
        if register not in self.known:
            self.known[register] = self.value(f"load i64, ptr %{register}")
        return self.known[register]

    def _set(self, register: str, value: str) -> None:
        self.written.add(register)
        self.known[register] = self.changed[register] = value

    def stores(self) -> list[str]:
        """Instructions that store what the block has changed so far."""
        return [f"  store i64 {value}, ptr %{name}" for name, value in self.changed.items()]

    def leave_unless(self, condition: str) -> None:
        """End the function in front of the instruction in hand unless an i1 is true."""
        go, leave = self.label("go"), self.label("leave")
        self.emit(f"br i1 {condition}, label %{go}, label %{leave}, {MOSTLY}")
        self.lines.append(f"{go}:")
        self.exits += [
            f"{leave}:", *self.stores(),
            f"  %{leave}.n = add i64 %n.{self.block.start}, {self.done}",
            f"  store i64 %{leave}.n, ptr %n",
            f"  store i64 {st.RAM_BASE + self.at}, ptr %pc", "  br label %back",
        ]  # fmt: skip

    def go_to(self, offset: int) -> str:
        """The label of the block at an offset, or of a way out to there."""
        if offset in self.starts:
            return f"b{offset}"
        label = self.label("to")
        self.exits += [
            f"{label}:", f"  store i64 {st.RAM_BASE + offset}, ptr %pc", "  br label %away",
        ]  # fmt: skip
        return label

    # --- the function ---------------------------------------------------------------------------

    def function(self) -> str:
        """Its text."""
        for block in self.region.blocks:
            self._block(block)
        head = [
            f"define i64 @{self.name}({PARAMETERS}) {{",
            "  %n = alloca i64", "  store i64 %count, ptr %n", "  %pc = alloca i64",
        ]  # fmt: skip
        tail: list[str] = []
        for name in sorted(self.used | self.written):
            place = f"getelementptr i64, ptr %hart, i64 {HEADS[name[0]] + int(name[1:])}"
            if not self.region.is_loop:
                head.append(f"  %{name} = {place}")
                continue
            head += [
                f"  %{name} = alloca i64", f"  %{name}.at = {place}",
                f"  %{name}.in = load i64, ptr %{name}.at", f"  store i64 %{name}.in, ptr %{name}",
            ]  # fmt: skip
            if name in self.written:
                tail += [
                    f"  %{name}.out = load i64, ptr %{name}",
                    f"  store i64 %{name}.out, ptr %{name}.at",
                ]
        if any(word & 255 in FLOATS for _, word in self.region.words):
            head += jit_float.prologue()
        cases = " ".join(f"i64 {n}, label %b{start}" for start, n in self.starts.items())
        head += [
            "  br label %first", "no:", "  ret i64 %count", "first:", "  br label %enter", "enter:",
            "  %start = phi i64 [%entry, %first]" + ("" if tail else ", [%number, %next]"),
            f"  switch i64 %start, label %no [{cases}]",
        ]  # fmt: skip
        return "\n".join(head + self.lines + self.exits + _ways_out(self.name, tail)) + "\n"

    def _block(self, block: Block) -> None:
        self.block, start = block, block.start
        self.known, self.changed = {}, {}
        self.at, self.done = start, 0
        self.lines.append(f"b{start}:")
        self.emit(f"%n.{start} = load i64, ptr %n")
        self.emit(f"%m.{start} = add i64 %n.{start}, {len(block.words)}")
        self.leave_unless(self.value(f"icmp sle i64 %m.{start}, %budget"))
        if jit_wait.translate(self):
            return
        for self.done, (self.at, self.word) in enumerate(block.words):  # noqa: B007
            self._instruction()
        code = block.words[-1][1] & 255
        if code not in BRANCHES and code not in (op.JAL, op.JALR):
            self._end_block()
            self.emit(f"br label %{self.go_to(block.end)}")

    def clocks(self, done: str) -> tuple[str, str]:
        """(parts of clocks since the turn's first one, mcycle) after `done` instructions of it."""
        parts = self.value(f"mul i64 {done}, {CLOCKS}")
        parts = self.value(f"add i64 {parts}, {self.state(st.PART)}")
        whole = self.value(f"udiv i64 {parts}, {INSTRUCTIONS}")
        return parts, self.value(f"add i64 {self.state(st.CYCLE)}, {whole}")

    def _end_block(self) -> None:
        self.lines += self.stores()
        self.emit(f"store i64 %m.{self.block.start}, ptr %n")

    # --- instructions ---------------------------------------------------------------------------

    def _instruction(self) -> None:
        word = self.word
        code, rd = word & 255, (word >> 8) & 63
        rs1, rs2, imm = (word >> 14) & 31, (word >> 19) & 31, immediate(word)
        if jit_integer.translate(self, code, rd, rs1, rs2, imm):
            return
        if code in BRANCHES:
            a, b = self.x(rs1), self.x(rs2)
            bit = self.value(f"icmp {CONDITIONS[code]} i64 {a}, {b}")
            self._end_block()
            taken, not_taken = self.go_to(self.at + imm), self.go_to(self.block.end)
            self.emit(f"br i1 {bit}, label %{taken}, label %{not_taken}")
        elif code == op.JAL:
            self.set_x(rd, str(st.RAM_BASE + self.block.end))
            self._end_block()
            self.emit(f"br label %{self.go_to(self.at + imm)}")
        elif code == op.JALR:
            self._jump_to_register(rd, rs1, imm)
        elif code in (op.LUI, op.AUIPC):
            base = st.RAM_BASE + self.at if code == op.AUIPC else 0
            self.set_x(rd, str(base + imm))
        elif code in (*LOADS, *STORES) and word & op.DEVICE and SIZES[code] >= 4:
            jit_register.access(self, code, rd, self.x(rs1), self.x(rs2), imm)
        elif code in LOADS:
            at = self.memory(self.x(rs1), imm, SIZES[code])
            self.set_x(rd, self.load(at, SIZES[code], code not in UNSIGNED_LOADS))
        elif code in STORES:
            at = self.memory(self.x(rs1), imm, SIZES[code])
            self.store(at, SIZES[code], self.x(rs2))
        elif code == op.CSR:
            self._read_csr(rd, regions.csr_read(word))
        elif code in FLOATS:
            jit_float.translate(self, code, rd & 31, rs1, rs2, imm)

    def state(self, number: int) -> str:
        """A value of the hart's state, see state.py."""
        at = self.value(f"getelementptr i64, ptr %hart, i64 {st.S_AT + number}")
        return self.value(f"load i64, ptr {at}")

    def _read_csr(self, rd: int, number: int) -> None:
        """A register that the block itself does not change, or a counter."""
        if number == regions.MHARTID:
            self.set_x(rd, self.state(st.HARTID))
            return
        if number in (regions.FFLAGS, regions.FRM, regions.FCSR):
            units = self.value(f"and i64 {self.state(st.MSTATUS)}, {st.MSTATUS_FS}")
            self.leave_unless(self.value(f"icmp ne i64 {units}, 0"))
            value = self.state(st.FCSR)
            if number == regions.FFLAGS:
                value = self.value(f"and i64 {value}, 31")
            elif number == regions.FRM:
                value = self.value(f"ashr i64 {value}, 5")
            self.set_x(rd, value)
            return
        done = self.value(f"add i64 %n.{self.block.start}, {self.done}")
        if number in (regions.MINSTRET, regions.INSTRET):
            self.set_x(rd, self.value(f"add i64 {self.state(st.INSTRET)}, {done}"))
            return
        self.set_x(rd, self.clocks(done)[1])

    def _jump_to_register(self, rd: int, rs1: int, imm: int) -> None:
        target = self.value(f"add i64 {self.x(rs1)}, {imm}")
        target = self.value(f"and i64 {target}, -2")
        self.set_x(rd, str(st.RAM_BASE + self.block.end))
        self._end_block()
        self.emit(f"store i64 {target}, ptr %pc")
        self.emit("br label %away")

    # --- memory ---------------------------------------------------------------------------------

    def memory(self, base: str, imm: int, size: int) -> str:
        """A pointer into RAM; an address elsewhere or a misaligned one is left to the interpreter.
        """
        offset, inside = self.in_ram(base, imm, size)
        self.leave_unless(inside)
        return self.pointer(offset)

    def in_ram(self, base: str, imm: int, size: int) -> tuple[str, str]:
        """(address - 0x40000000, i1: whether an aligned access there is one of RAM).

        RAM and its uncached twin differ in one bit of the first.
        """
        offset = self.value(f"add i64 {base}, {imm - (st.TWIN_HIGH << 23)}")
        free = (st.RAM_HIGH - st.TWIN_HIGH) << 23 | (st.RAM_SIZE - size)
        other = self.value(f"and i64 {offset}, {~free}")
        return offset, self.value(f"icmp eq i64 {other}, 0")

    def pointer(self, offset: str) -> str:
        inside = self.value(f"and i64 {offset}, {st.RAM_SIZE - 1}")
        return self.value(f"getelementptr i8, ptr %ram, i64 {inside}")

    def load(self, pointer: str, size: int, signed: bool) -> str:
        kind = f"i{8 * size}"
        value = self.value(f"load {kind}, ptr {pointer}")
        if size == 8:
            return value
        return self.value(f"{'sext' if signed else 'zext'} {kind} {value} to i64")

    def store(self, pointer: str, size: int, value: str) -> None:
        kind = f"i{8 * size}"
        if size < 8:
            value = self.value(f"trunc i64 {value} to {kind}")
        self.emit(f"store {kind} {value}, ptr {pointer}")


def _ways_out(function: str, stores: list[str]) -> list[str]:
    """`away` goes on with the region that begins where the hart is now, `back` does not look."""
    fields = []
    for name, at in (("code", st.CODE_AT), ("entries", st.ENTRIES_AT)):
        fields += [
            f"  %{name}.at = getelementptr i64, ptr %hart, i64 {at}",
            f"  %{name} = load ptr, ptr %{name}.at",
        ]
    leave = [
        "  %pc.{0} = load i64, ptr %pc", "  %pc.at.{0} = getelementptr i64, ptr %hart, i64 {1}",
        "  store i64 %pc.{0}, ptr %pc.at.{0}", "  %n.{0} = load i64, ptr %n",
    ]  # fmt: skip
    return [
        "away:", *(line.format("away", st.S_AT + st.PC) for line in leave),
        *(line.replace(".out", ".away") for line in stores),
        f"  %offset = sub i64 %pc.away, {st.RAM_BASE}",
        f"  %in.ram = icmp ult i64 %offset, {st.RAM_SIZE}",
        f"  br i1 %in.ram, label %look, label %end, {MOSTLY}",
        "look:", *fields,
        "  %half = lshr i64 %offset, 1", "  %word.at = getelementptr i64, ptr %code, i64 %half",
        "  %word = load i64, ptr %word.at", "  %kind = and i64 %word, 255",
        f"  %is.block = icmp eq i64 %kind, {op.BLOCK}",
        f"  br i1 %is.block, label %next, label %end, {MOSTLY}",
        "next:", "  %row = lshr i64 %word, 32", "  %row3 = mul i64 %row, 3",
        "  %row.at = getelementptr i64, ptr %entries, i64 %row3",
        "  %other = load ptr, ptr %row.at",
        "  %number.at = getelementptr i64, ptr %row.at, i64 1",
        "  %number = load i64, ptr %number.at",
        f"  %same = icmp eq ptr %other, @{function}",
        f"  br i1 %same, label %{'call' if stores else 'enter'}, label %call",
        "call:",
        "  %done = musttail call i64 %other(i64 %number, ptr %hart, ptr %ram, i64 %n.away, "
        "i64 %budget)",
        "  ret i64 %done",
        "end:", "  ret i64 %n.away",
        "back:", *(line.format("back", st.S_AT + st.PC) for line in leave), *stores,
        "  ret i64 %n.back", "}",
    ]  # fmt: skip


def translate(region: Region, name: str, fma: bool) -> str:
    """A module of LLVM IR with the function `name`. fma : the host multiplies and adds in one."""
    translator = Translator(region, name, fma)
    text = translator.function()
    if translator.uses_registers:
        text += jit_register.FUNCTION
    return text + jit_float.DECLARATIONS + WEIGHTS
