"""The byte code of kmodel V5's "stackvm" modules: decode, encode, and guess the release.

The numbers of the tensor functions and some of their fields changed between nncase 1.x releases
while the file's version stayed 5. Nothing in a file tells the release: `detect` takes the newest
one whose tables consume a function's code exactly, with sane operands and a balanced stack, and
prefers those that find only instructions the vendor's compilers emit.
Ref: nncase v1.0.0-beta1 to v1.9.0, include/nncase/runtime/stackvm/opcode.h.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from k210sim.errors import KmodelError

# Groups of releases with the same tables, oldest first.
RELEASES = ("1.0.0-beta", "1.0", "1.1", "1.2", "1.3", "1.4", "1.6", "1.8", "1.9")

# Opcode -> (mnemonic, struct code of the operands).
PLAIN = {0x00: ("NOP", ""), 0x01: ("LDNULL", ""), 0x02: ("LDC_I4", "i"), 0x03: ("LDC_I4_0", ""),
         0x04: ("LDC_I4_1", ""), 0x05: ("LDC_R4", "f"), 0x16: ("LEA_GP", "Bi"),
         0x17: ("LEA_BUFFER", "BBI"), 0x28: ("LDARG", "I"), 0x2F: ("DUP", ""), 0x30: ("POP", ""),
         0x31: ("STSHAPE", "BB"), 0x32: ("STPADDINGS", "BB"), 0x56: ("BR", "i"),
         0x57: ("BR_TRUE", "i"), 0x58: ("BR_FALSE", "i"), 0x59: ("RET", ""), 0x5A: ("CALL", "Bi"),
         0x5B: ("ECALL", "B"), 0x5C: ("THROW", ""), 0x5D: ("BREAK", "")}
for _first, _names in (
        (0x06, "LDIND_I1 LDIND_I2 LDIND_I4 LDIND_I LDIND_U1 LDIND_U2 LDIND_U4 LDIND_U LDIND_BR2 "
               "LDIND_R4 STIND_I1 STIND_I2 STIND_I4 STIND_I STIND_BR2 STIND_R4"),
        (0x18, "LDELEM_I1 LDELEM_I2 LDELEM_I4 LDELEM_I LDELEM_U1 LDELEM_U2 LDELEM_U4 LDELEM_U "
               "LDELEM_BR2 LDELEM_R4 STELEM_I1 STELEM_I2 STELEM_I4 STELEM_I STELEM_BR2 STELEM_R4"),
        (0x29, "LDARG_0 LDARG_1 LDARG_2 LDARG_3 LDARG_4 LDARG_5"),
        (0x33, "NEG ADD SUB MUL DIV DIV_U REM REM_U AND OR XOR NOT SHL SHR SHR_U CLT CLT_U CLE "
               "CLE_U CEQ CGE CGE_U CGT CGT_U CNE CONV_I1 CONV_I2 CONV_I4 CONV_I CONV_U1 CONV_U2 "
               "CONV_U4 CONV_U CONV_BR2 CONV_R4")):
    PLAIN.update({_first + i: (name, "") for i, name in enumerate(_names.split())})
TENSOR = 0x5E
CODE_OF = {name: opcode for opcode, (name, _) in PLAIN.items()}

# Tensor functions in number order: (name, first release, first release without it). A release's
# numbers count the functions it has.
FUNCTIONS = (
    ("BATCH_TO_SPACE", 0, 99), ("BINARY", 0, 99), ("BROADCAST", 0, 99), ("CALL", 0, 99),
    ("COMPARE", 6, 99), ("CLAMP", 0, 99), ("CONV2D", 0, 99), ("CONV2D_TRANSPOSE", 0, 99),
    ("CONVERT", 0, 99), ("COPY", 0, 99), ("CUMSUM", 1, 99), ("DEQUANTIZE", 0, 99), ("EQUAL", 4, 6),
    ("GATHER", 0, 99), ("GATHER_ND", 0, 99), ("HARDMAX", 1, 99), ("LOGISTIC", 0, 99),
    ("LUT1D", 0, 99), ("MATMUL", 0, 99), ("ONEHOT", 0, 99), ("PAD", 0, 99), ("QUANTIZE", 0, 99),
    ("RANDOM_NORMAL", 2, 99), ("RANDOM_UNIFORM", 2, 99), ("REDUCE", 0, 99), ("REDUCE_ARG", 1, 99),
    ("REDUCE_PROD", 2, 99), ("REDUCE_WINDOW2D", 0, 99), ("RESIZE_IMAGE", 0, 99),
    ("ROI_ALIGN", 3, 99), ("SIGMOID", 3, 99), ("SLICE", 0, 99), ("SOFTMAX", 0, 99),
    ("SPACE_TO_BATCH", 0, 99), ("TAKE", 0, 99), ("TERNARY", 2, 99), ("TOPK", 3, 99),
    ("TRANSPOSE", 0, 99), ("TRILU", 3, 99), ("UNARY", 0, 99), ("GRU", 6, 99),
    ("TFLITE_DETECTION_POSTPROCESS", 6, 99), ("LAYER_NORM", 7, 99), ("COMPRESS", 7, 99),
    ("GATHER_ELEMENTS", 7, 99),
)

# Fields: name, or name:code of struct; a bare name is one byte. dt* hold a datatype, names that
# end in shape, strides, axes, begins, ends, steps, perm or pads the number of a register.
UNARY = "dt shape in_strides out_strides"
PAIR = "dt a_shape a_strides b_shape b_strides"
CLAMP = "low:f high:f"
FIELDS = {
    "CALL": "function:I module:H inputs outputs",
    "BINARY": f"{PAIR} out_shape out_strides op {CLAMP}",
    "COMPARE": f"{PAIR} out_shape out_strides op", "EQUAL": f"{PAIR} out_strides",
    "UNARY": f"{UNARY} op", "CONVERT": "dt dt_out shape in_strides out_strides", "COPY": UNARY,
    "QUANTIZE": "dt dt_out shape in_strides out_strides",
    "DEQUANTIZE": "dt dt_out shape in_strides out_strides",
    "BROADCAST": "dt shape in_strides out_shape out_strides", "TRANSPOSE": f"{UNARY} perm",
    "SLICE": f"{UNARY} begins ends steps", "PAD": f"{UNARY} pads mode",
    "CONV2D": "dt shape in_strides w_shape w_strides bias_strides out_strides groups:H "
              f"stride_h:H stride_w:H dilation_h:H dilation_w:H {CLAMP}",
    "MATMUL": f"a_shape a_strides b_shape b_strides out_shape out_strides {CLAMP}",
    "REDUCE": f"{UNARY} op axes keep",
    "REDUCE_WINDOW2D": "dt op shape in_strides out_strides filter_h:H filter_w:H stride_h:H "
                       f"stride_w:H dilation_h:H dilation_w:H {CLAMP}",
    "RESIZE_IMAGE": f"{UNARY} align_corners half_pixel mode", "LUT1D": f"{UNARY} length:H",
    "GATHER": "dt shape out_shape in_strides out_strides indices_shape axis",
    "GATHER_ND": "dt shape out_shape in_strides out_strides indices_shape axis",
    "SOFTMAX": f"{UNARY} axis:i beta:f", "SIGMOID": UNARY,
    "ONEHOT": "dt indices_shape out_shape out_strides axis mode",
    "SPACE_TO_BATCH": f"{UNARY} block_shape crop_pads",
    "BATCH_TO_SPACE": f"{UNARY} block_shape crop_pads",
    "TOPK": "dt shape in_strides values_shape values_strides indices_shape indices_strides k:q "
            "axis:i largest sorted",
    "REDUCE_ARG": "dt shape in_strides dt_out out_strides op axes keep last",
    "REDUCE_PROD": "dt shape in_strides out_strides axes keep",
    "TERNARY": "dt a_shape a_strides b_shape b_strides c_shape c_strides out_strides",
    "ROI_ALIGN": "dt shape out_shape mode scale:f ratio:q",
    "CUMSUM": "dt shape axis:i exclusive reverse", "HARDMAX": "dt shape in_strides axis:i",
    "TRILU": "dt shape upper k:q", "RANDOM_NORMAL": "dt shape mean:f deviation:f seed:f",
    "RANDOM_UNIFORM": "dt shape low:f high:f seed:f", "LAYER_NORM": "dt shape axis:i epsilon:f",
    "COMPRESS": "shape condition_shape axis:f", "GATHER_ELEMENTS": "shape indices_shape axis:i",
    "GRU": "shape w_shape direction linear",
    "TFLITE_DETECTION_POSTPROCESS":
        "box_shape score_shape anchor_shape max_detections:i max_classes:i per_class:i use_nms "
        "score:f iou:f classes:i y_scale:f x_scale:f h_scale:f w_scale:f",
    "CLAMP": "", "CONV2D_TRANSPOSE": "", "LOGISTIC": "", "TAKE": "",
}
OLDER = {  # name -> (release number below which it holds, fields)
    "BINARY": ((5, f"{PAIR} out_strides op {CLAMP}"),),
    "MATMUL": ((4, ""), (5, f"a_shape b_shape {CLAMP}")), "SOFTMAX": ((6, ""),),
    "SIGMOID": ((4, "dt shape in_strides"),), "GRU": ((8, "shape w_shape direction"),),
    "REDUCE_PROD": ((6, "shape in_strides out_strides axes keep"),),
}
# Values each function takes from the stack, where the sheet tells; CALL takes four per tensor.
POPS = {"BINARY": 3, "COMPARE": 3, "EQUAL": 3, "UNARY": 2, "CONVERT": 2, "COPY": 2, "QUANTIZE": 4,
        "DEQUANTIZE": 4, "BROADCAST": 2, "TRANSPOSE": 2, "SLICE": 2, "PAD": 3, "CONV2D": 10,
        "MATMUL": 4, "REDUCE": 3, "REDUCE_WINDOW2D": 9, "RESIZE_IMAGE": 4, "LUT1D": 5, "GATHER": 3,
        "GATHER_ND": 3, "SOFTMAX": 2, "SIGMOID": 2, "ONEHOT": 5, "SPACE_TO_BATCH": 2,
        "BATCH_TO_SPACE": 2, "TOPK": 3, "REDUCE_ARG": 2, "REDUCE_PROD": 2, "LAYER_NORM": 4,
        "COMPRESS": 3, "CUMSUM": 2, "HARDMAX": 2, "TERNARY": 4, "ROI_ALIGN": 4, "TRILU": 2,
        "RANDOM_NORMAL": 1, "RANDOM_UNIFORM": 1, "GATHER_ELEMENTS": 3, "GRU": 7,
        "TFLITE_DETECTION_POSTPROCESS": 7}
# Newest first, but 1.9 behind 1.8: they differ in one byte of GRU, and where that is 0 the code of
# 1.9 reads as 1.8's with a NOP, which does the same.
SEARCH = (7, 8, 6, 5, 4, 3, 2, 1, 0)
WITH_INTERIOR = 2  # from 1.1 on a padding has three numbers, before that two
REGISTERS = ("shape", "strides", "axes", "begins", "ends", "steps", "perm", "pads")


class Instruction(NamedTuple):
    """offset inside the text, name ("TENSOR." in front for tensor functions), operands by name
    for tensor functions and by position ("0", "1" ...) else."""

    offset: int
    name: str
    operands: dict


def table(release: int) -> list[tuple[str, struct.Struct, list[str]]]:
    """Number -> (name, packed operands, their names) of the tensor functions of a release."""
    rows = []
    for name, since, until in FUNCTIONS:
        if not since <= release < until:
            continue
        fields = FIELDS[name]
        for below, older in reversed(OLDER.get(name, ())):
            if release < below:
                fields = older
        parts = [(f.split(":") + ["B"])[:2] for f in fields.split()]
        code = struct.Struct("<" + "".join(kind for _, kind in parts))
        rows.append((name, code, [part for part, _ in parts]))
    return rows


TABLES = [table(release) for release in range(len(RELEASES))]
CODES = {opcode: struct.Struct("<" + code) for opcode, (_, code) in PLAIN.items()}


def disassemble(text: bytes, release: int) -> list[Instruction]:
    """The instructions of a function's text. Raises KmodelError with the offset in the text."""
    functions, at, found, shared = TABLES[release], 0, [], {}
    while at < len(text):
        opcode, start = text[at], at
        at += 1
        if opcode == TENSOR:
            number = int.from_bytes(text[at : at + 2], "little")
            if at + 2 > len(text) or number >= len(functions):
                raise KmodelError(f"tensor function {number}, nncase {RELEASES[release]} has "
                                  f"{len(functions)}", offset=start, field="stackvm.tensor")
            name, code, names = functions[number]
            name, at = "TENSOR." + name, at + 2
        elif opcode in PLAIN:
            name, code, names = PLAIN[opcode][0], CODES[opcode], None
        else:
            raise KmodelError(f"opcode 0x{opcode:02x}", offset=start, field="stackvm.opcode")
        if at + code.size > len(text):
            raise KmodelError(f"{name} ends behind the text", offset=start, field="stackvm.opcode")
        values = code.unpack_from(text, at)
        # Most instructions repeat an earlier one: share the operands (nobody changes them). The
        # bytes tell them apart, as values do not (0.0 and -0.0).
        key = (name, bytes(text[at : at + code.size]))
        if key not in shared:
            names = names if names is not None else map(str, range(len(values)))
            shared[key] = dict(zip(names, values, strict=False))
        found.append(Instruction(start, name, shared[key]))
        at += code.size
    return found


def assemble(instructions: list[Instruction], release: int) -> bytes:
    """The text of instructions: the inverse of disassemble."""
    numbers = {"TENSOR." + row[0]: i for i, row in enumerate(TABLES[release])}
    out = bytearray()
    for one in instructions:
        if one.name in numbers:
            number = numbers[one.name]
            out += struct.pack("<BH", TENSOR, number)
            out += TABLES[release][number][1].pack(*one.operands.values())
        else:
            out.append(CODE_OF[one.name])
            out += CODES[CODE_OF[one.name]].pack(*one.operands.values())
    return bytes(out)


def detect(text: bytes) -> int:
    """The first release of SEARCH (number in RELEASES) that fits. Raises KmodelError when none
    does."""
    first = None
    for plain in (True, False):
        for release in SEARCH:
            try:
                _check(disassemble(text, release), release, plain)
                return release
            except KmodelError as error:
                first = first or error
    raise KmodelError(f"the byte code fits no nncase 1.x release; the newest: {first}",
                      field="stackvm")


def _check(instructions, release, plain):
    """Refuse operands that make no sense, and code without jumps whose stack does not balance.
    plain: also refuse what the vendor's compilers never emit, which is most of the scalar code."""
    depth, known = 0, True
    for one in instructions:
        for name, value in one.operands.items():
            if name.startswith("dt") and value > 11:
                raise KmodelError(f"datatype {value}", offset=one.offset, field=one.name)
            if name.endswith(REGISTERS) and value > 63:
                raise KmodelError(f"register {value}", offset=one.offset, field=one.name)
        if one.name.startswith("TENSOR."):
            name = one.name[7:]
            if name == "CALL":
                depth -= 4 * (one.operands["inputs"] + one.operands["outputs"])
            elif name in POPS:
                depth -= POPS[name]
                if name in ("CONV2D", "REDUCE_WINDOW2D") and release < WITH_INTERIOR:
                    depth += 2
            else:
                known = False
        elif one.name.startswith(("LDC", "LEA")) or one.name == "LDNULL":
            depth += 1
        elif one.name == "STSHAPE":
            depth -= one.operands["1"]
        elif one.name == "STPADDINGS":
            depth -= one.operands["1"] * (3 if release >= WITH_INTERIOR else 2)
        elif one.name not in ("NOP", "RET"):
            if plain:
                raise KmodelError("no compiler emits it", offset=one.offset, field=one.name)
            known = False
        if known and depth < 0:
            raise KmodelError("the operand stack runs empty", offset=one.offset, field=one.name)
    if known and depth:
        raise KmodelError(f"{depth} values are left on the operand stack", field="stackvm")
