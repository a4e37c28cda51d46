"""Loads and stores of device registers in LLVM IR; jit_device.py has the rest of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from k210sim.devices.cells import READ, WRITE
from k210sim.riscv import opcodes as op
from k210sim.riscv import state as st
from k210sim.riscv.jit_region import SIZES, STORES, UNSIGNED_LOADS

if TYPE_CHECKING:
    from k210sim.riscv.jit_ir import Translator

# register(hart, address, size, stores, value) -> (value, whether it is done): a load or store of a
# register that just holds a value; for others jit_device.access is asked
FUNCTION = f"""
define internal {{i64, i64}} @register(ptr %hart, i64 %address, i64 %size, i64 %stores, i64 %value)
    noinline {{
  %page = lshr i64 %address, {st.PAGE_SHIFT}
  %low = and i64 %address, 3
  %odd = sub i64 %size, 4
  %unfit = or i64 %low, %odd
  %fit = icmp eq i64 %unfit, 0
  %below = icmp ult i64 %page, {st.PAGES}
  %likely = and i1 %fit, %below
  br i1 %likely, label %find, label %ask
find:
  %pages.at = getelementptr i64, ptr %hart, i64 {st.PAGE_OF_AT}
  %pages = load ptr, ptr %pages.at
  %index.at = getelementptr i16, ptr %pages, i64 %page
  %index = load i16, ptr %index.at
  %there = icmp sge i16 %index, 0
  br i1 %there, label %look, label %ask
look:
  %wide = zext i16 %index to i64
  %first = shl i64 %wide, {st.PAGE_SHIFT - 2}
  %inside = and i64 %address, {(1 << st.PAGE_SHIFT) - 1}
  %word = lshr i64 %inside, 2
  %at = or i64 %first, %word
  %flags.at = getelementptr i64, ptr %hart, i64 {st.FLAGS_AT}
  %flags = load ptr, ptr %flags.at
  %flag.at = getelementptr i8, ptr %flags, i64 %at
  %flag = load i8, ptr %flag.at
  %storing = icmp ne i64 %stores, 0
  %needed = select i1 %storing, i8 {WRITE}, i8 {READ}
  %has = and i8 %flag, %needed
  %plain = icmp ne i8 %has, 0
  br i1 %plain, label %use, label %ask
use:
  %regs.at = getelementptr i64, ptr %hart, i64 {st.REGS_AT}
  %regs = load ptr, ptr %regs.at
  %reg.at = getelementptr i32, ptr %regs, i64 %at
  br i1 %storing, label %put, label %take
put:
  %narrow = trunc i64 %value to i32
  store i32 %narrow, ptr %reg.at
  ret {{i64, i64}} {{i64 0, i64 1}}
take:
  %held = load i32, ptr %reg.at
  %held.wide = zext i32 %held to i64
  %answer = insertvalue {{i64, i64}} {{i64 0, i64 1}}, i64 %held.wide, 0
  ret {{i64, i64}} %answer
ask:
  %access.at = getelementptr i64, ptr %hart, i64 {st.ACCESS_AT}
  %access = load ptr, ptr %access.at
  %served = call i64 %access(ptr %hart, i64 %address, i64 %size, i64 %stores, i64 %value)
  %got.at = getelementptr i64, ptr %hart, i64 {st.S_AT + st.EXIT_VALUE}
  %got = load i64, ptr %got.at
  %half = insertvalue {{i64, i64}} undef, i64 %got, 0
  %whole = insertvalue {{i64, i64}} %half, i64 %served, 1
  ret {{i64, i64}} %whole
}}
"""


def access(t: Translator, code: int, rd: int, base: str, value: str, imm: int) -> None:
    """A load or store that is known to use registers, or RAM as well: see FUNCTION."""
    size, stores = SIZES[code], code in STORES
    offset, inside = t.in_ram(base, imm, size)
    ram, device, done = t.label("ram"), t.label("device"), t.label("done")
    t.emit(f"br i1 {inside}, label %{ram}, label %{device}")
    t.lines.append(f"{device}:")
    address = t.value(f"add i64 {offset}, {st.TWIN_HIGH << 23}")
    t.uses_registers = True
    both = t.value(f"call {{i64, i64}} @register(ptr %hart, i64 {address}, i64 {size}, "
                      f"i64 {int(stores)}, i64 {value if stores else 0})")  # fmt: skip
    served = t.value(f"extractvalue {{i64, i64}} {both}, 1")
    t.leave_unless(t.value(f"icmp ne i64 {served}, 0"))
    got = None if stores else t.value(f"extractvalue {{i64, i64}} {both}, 0")
    if got and code == op.LW:
        got = t.value(f"trunc i64 {got} to i32")
        got = t.value(f"sext i32 {got} to i64")
    last = t.label("served")
    t.lines += [f"  br label %{last}", f"{last}:", f"  br label %{done}", f"{ram}:"]
    pointer = t.pointer(offset)
    if stores:
        t.store(pointer, size, value)
    else:
        loaded = t.load(pointer, size, code not in UNSIGNED_LOADS)
    t.lines += [f"  br label %{done}", f"{done}:"]
    if not stores:
        both = f"phi i64 [{loaded}, %{ram}], [{got}, %{last}]"
        t.set_x(rd, t.value(both))
