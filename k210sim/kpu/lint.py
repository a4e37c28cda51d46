"""Will this model load, where, and what stands in its way: `k210sim model lint`.

    report = lint(ModelFile.read("face.kmodel"))
    report.loads["v4-build"].ok, report.heap["need"], report.findings

Firmware flavours: builds of MaixPy v1 with V4 support (the standard one), without it (the minimum
ones and all before v0.5.0-21), and `load_flash`. Allocation rules and error numbers are the
loader's (sipeed/MaixPy-v1 components/kendryte_sdk), as `k210sim.modules.kpu.net` plays them.
Free memory is that of the simulated standard image; boards and builds differ by some 100 KB.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import NamedTuple

import numpy as np

from k210sim.errors import KmodelError
from k210sim.kpu import ai_ram
from k210sim.kpu.kmodel import layers as kl
from k210sim.kpu.kmodel import nodes as nd
from k210sim.kpu.kmodel import v3, v4
from k210sim.kpu.kmodel.header import MAX_MODEL_SIZE, swap_words
from k210sim.kpu.layer_rules import faults, maps
from k210sim.kpu.report import ON_DEVICE, WHY_NOT, ModelFile, named, shape_text
from k210sim.kpu.rules import V3_EXECUTED, cpu_rule

ERROR, WARNING, NOTE = "error", "warning", "note"

# The C library's allocator: header, granule, smallest block, page the break moves by.
HEADER, GRANULE, SMALLEST, PAGE = 8, 16, 32, 4096
HANDLE, SLACK, CONTEXT, INTERPRETER_V4, FLASH_HEADER = 1, 256, 192, 288, 0x1100

# The standard image: its heap reaches to the end of general SRAM, and the GC heap comes first.
HEAP_BYTES = 0x80600000 - 0x802FFD70
GC_HEAP = 512 * 1024
QVGA_BUFFER = (320 * 240 * 2, 320 * 240 * 3)
LCD_LINES = (320 * 240 * 2,)
V4_CODE = 360 * 1024  # what a build without V4 support has more


class Room(NamedTuple):
    """A situation a model is loaded in: blocks taken from the heap before it."""

    name: str
    taken: tuple[int, ...]


ROOMS = (
    Room("nothing else running", ()),
    Room("LCD and camera (QVGA)", (*LCD_LINES, *QVGA_BUFFER)),
    Room("LCD and camera (QVGA, dual_buff)", (*LCD_LINES, *QVGA_BUFFER, *QVGA_BUFFER)),
)


@dataclass
class Finding:
    """level: error (does not load or run), warning or note; layers: whom it is about, if any."""

    level: str
    text: str
    advice: str = ""
    layers: list[int] = field(default_factory=list)

    @property
    def line(self) -> str:
        """The text with the layers in front."""
        if not self.layers:
            return self.text
        shown = ", ".join(map(str, self.layers[:6])) + (" ..." if len(self.layers) > 6 else "")
        return f"layer{'s' if len(self.layers) > 1 else ''} {shown}: {self.text}"


class Verdict(NamedTuple):
    """Whether one way of loading works; code is the device's error number, or 0."""

    ok: bool
    code: int
    text: str


@dataclass
class LintReport:
    """Everything lint found; `ok` is False when the standard firmware cannot load or run it."""

    file: str
    kind: str
    title: str
    loads: dict[str, Verdict] = field(default_factory=dict)
    heap: dict = field(default_factory=dict)
    ai_ram: dict = field(default_factory=dict)
    cpu_layers: list[dict] = field(default_factory=list)
    input: dict = field(default_factory=dict)
    outputs: list[dict] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        return not any(finding.level == ERROR for finding in self.findings)

    def add(self, level, text, advice="", layer=None):
        for known in self.findings:
            if (known.level, known.text, known.advice) == (level, text, advice):
                break
        else:
            known = Finding(level, text, advice)
            self.findings.append(known)
        if layer is not None:
            known.layers.append(layer)

    def as_dict(self) -> dict:
        out = {"ok": self.ok, **asdict(self)}
        out["loads"] = {name: verdict._asdict() for name, verdict in self.loads.items()}
        return out


def block(count: int) -> int:
    """Bytes of heap a request of `count` bytes takes."""
    return max(SMALLEST, (count + HEADER + GRANULE - 1) & ~(GRANULE - 1))


def free_after(size: int, blocks) -> int | None:
    """What `Maix.utils.heap_free()` shows after these requests, in order, in a fresh heap of
    `size` bytes; None when one of them fails."""
    used = moved = 0
    for count in blocks:
        need = block(count)
        if moved - used < need + SMALLEST:
            moved += (need + SMALLEST - (moved - used) + PAGE - 1) & ~(PAGE - 1)
            if moved > size:
                return None
        used += need
    return size - moved


def blocks_of(file_size: int, main_mem: int, version: int) -> list[int]:
    """What `KPU.load` asks the system heap for, in order."""
    interpreter = [INTERPRETER_V4] if version == 4 else []
    return [HANDLE, file_size + SLACK, CONTEXT, *interpreter, main_mem]


def blocks_of_load_flash(main_mem: int, largest_body: int, dual: bool) -> list[int]:
    """What `KPU.load_flash` asks for."""
    return [CONTEXT, FLASH_HEADER, main_mem] + [largest_body + SLACK] * (2 if dual else 1)


def lint(file: ModelFile, rooms=ROOMS, heap_bytes: int = HEAP_BYTES,
         gc_heap: int = GC_HEAP) -> LintReport:
    """The report on a file. Raises KmodelError, with offset, where the container itself is broken.

    rooms: situations to judge the heap in; heap_bytes: system heap of an empty board, of which
    gc_heap bytes go to MicroPython.
    """
    report = LintReport(file.path, file.kind, file.title)
    if file.kind not in ON_DEVICE:
        _refused(report, file)
        return report
    data = swap_words(file.data) if file.kind == "v3_swapped" else file.data
    try:
        model = (v4 if file.kind == "v4" else v3).parse(data, strict=False)
    except KmodelError as error:
        raise named(error, file.path) from None
    _loads(report, file, model)
    _heap(report, file, model, rooms, heap_bytes, gc_heap)
    _layers(report, model)
    _ai_ram(report, model)
    _input(report, model)
    _outputs(report, model)
    _container(report, file, model)
    report.findings.sort(key=lambda f: (ERROR, WARNING, NOTE).index(f.level))
    return report


# -- loading ------------------------------------------------------------------------------------


def _refused(report, file):
    code = {"smodel": 2004, "smodel_v4": 2004, "emodel": 2015}.get(file.kind, 2002)
    if file.kind.startswith("smodel") and len(file.data) % 16:
        code = 2003
    text = f"{file.title}: error {code}"
    report.loads = {
        "v4-build": Verdict(False, code, text),
        "v3-build": Verdict(False, 2002 if file.kind == "smodel_v4" else code, text),
        "load_flash": Verdict(False, 2002, "load_flash takes V3 models with reversed bytes"),
    }
    why, advice = WHY_NOT[file.kind]
    report.add(ERROR, f"no firmware here loads it: {why}", advice)


def _loads(report, file, model):
    swapped, version = file.kind == "v3_swapped", model.version
    if swapped:
        plain = Verdict(False, 2002, "KPU.load answers 2002: the bytes are reversed")
        report.loads = {"v4-build": plain, "v3-build": plain,
                        "load_flash": Verdict(True, 0, "loads from flash with KPU.load_flash")}
        report.add(NOTE, "the bytes are reversed for load_flash; KPU.load answers 2002",
                   "use KPU.load_flash(addr, 1, 0xC000, 60000000), or the file before model_le2be")
        return
    if len(file.data) > MAX_MODEL_SIZE:
        big = Verdict(False, 2003, f"{len(file.data)} bytes, the loader takes {MAX_MODEL_SIZE}")
        report.loads = {"v4-build": big, "v3-build": big}
        report.add(ERROR, f"error 2003: {big.text}", "make the network smaller")
    else:
        yes = Verdict(True, 0, f"loads with KPU.load as V{version}")
        no = Verdict(False, 2002, "error 2002: a build without V4 support")
        report.loads = {"v4-build": yes, "v3-build": yes if version == 3 else no}
    report.loads["load_flash"] = Verdict(False, 2002, (
        "needs the bytes reversed first (model_le2be)" if version == 3
        else "documented for V3 only"))
    if version == 4:
        report.add(NOTE, "loads only on firmware built with V4 support (the standard build has it, "
                         "the minimum builds do not: error 2002)",
                   f"V3 runs everywhere and leaves about {V4_CODE // 1024} KB more memory")


def _heap(report, file, model, rooms, heap_bytes, gc_heap):
    swapped, version = file.kind == "v3_swapped", model.version
    main = model.header.main_mem_usage if version == 3 else model.header.main_mem
    largest = max(model.body_sizes, default=0)
    streamed = sum(map(block, blocks_of_load_flash(main, largest, False)))
    blocks = (blocks_of_load_flash(main, largest, True) if swapped
              else blocks_of(model.size, main, version))
    need, facts = sum(map(block, blocks)), []
    for room in rooms:
        before = (gc_heap, *room.taken)
        facts.append({"name": room.name, "free": free_after(heap_bytes, before) or 0,
                      "fits": free_after(heap_bytes, (*before, *blocks)) is not None})
    report.heap = {"model": model.size, "main_memory": main, "need": need, "blocks": blocks,
                   "rooms": facts, "load_flash_need": streamed if version == 3 else None}
    missed = [room for room in facts if not room["fits"]]
    if not missed:
        return
    free = facts[0]["free"]
    if not facts[0]["fits"]:
        # What each firmware answers when nothing else is in its heap.
        for name, more in (("v4-build", 0), ("v3-build", V4_CODE), ("load_flash", 0)):
            taken = (gc_heap, *rooms[0].taken, *blocks)
            if report.loads[name].ok and free_after(heap_bytes + more, taken) is None:
                report.loads[name] = Verdict(
                    False, 2006, f"error 2006: needs {_kb(need)} of system heap, "
                                 f"{_kb(free + more)} are free")
    tips = []
    if need <= free + gc_heap - 128 * 1024:
        tips.append("a smaller GC heap (Maix.utils.gc_heap_size(128*1024), then reset) frees "
                    f"{(gc_heap - 128 * 1024) // 1024} KB")
    if version == 3 and need <= free + V4_CODE:
        tips.append(f"a build without V4 support has about {V4_CODE // 1024} KB more")
    if version == 3 and not swapped and streamed < need:
        tips.append(f"load_flash needs {_kb(streamed)}, and is slower")
    if facts[0]["fits"]:
        report.add(WARNING, f"needs {_kb(need)} of system heap; with {missed[0]['name']} "
                            f"{_kb(missed[0]['free'])} are free, then KPU.load answers 2006",
                   "; ".join([*tips, "or load it before sensor.reset() and without dual_buff"]))
    else:
        report.add(ERROR, f"error 2006: needs {_kb(need)} of system heap, the standard firmware "
                          f"has {_kb(free)} free",
                   "; ".join(tips) or "make the network smaller")


def _kb(count: int) -> str:
    return f"{-(-count // 1024)} KB"


# -- layers -------------------------------------------------------------------------------------


def _items(model):
    return model.layers if model.version == 3 else model.nodes


def _layers(report, model):
    for index, item in enumerate(_items(model)):
        if isinstance(item, kl.Conv | nd.KpuConv2d):
            continue
        error = getattr(item, "error", None)
        if error is not None:
            report.add(ERROR, f"{item.NAME} cannot be read: {error.args[0]}",
                       "the file is damaged: convert or download it again", index)
            continue
        unknown = (item.TYPE not in V3_EXECUTED if model.version == 3
                   else isinstance(item, nd.RawNode))
        if unknown:
            report.add(ERROR, f"{item.NAME} is executed by no firmware: the board hangs there",
                       "convert the network without this operation", index)
        rule = cpu_rule(item)
        report.cpu_layers.append({"index": index, "name": item.NAME, "rule": rule})
        if isinstance(item, nd.Conv2d | nd.QuantizedConv2d):
            report.add(WARNING, f"{item.NAME} runs on the CPU: {rule}",
                       "shape it as a 1x1 or 3x3 convolution that nncase quantises", index)
        elif isinstance(item, nd.Matmul | nd.QuantizedMatmul):
            work = item.a_rows * item.a_cols * item.b_cols
            if work > 100_000:
                report.add(WARNING, f"matmul runs on the CPU: {work} multiplications, slow on V4",
                           "a 1x1 convolution does the same on the KPU", index)
    if model.version == 3 and len(model.layers) > 255:
        report.add(WARNING, f"{len(model.layers)} layers: KPU.netinfo never returns above 255",
                   "do not call netinfo")


def _ai_ram(report, model):
    item = 1 if model.eight_bit else 2
    used, most = np.zeros(2 * ai_ram.LINES, bool), 0
    for index, body in model.convs:
        batches = max(1, getattr(body, "batches", 1))
        spans = maps(body.regs, batches)
        for start, end in spans:
            used[start:end] = True
        most = max(most, sum(end - start for start, end in spans))
        for fault in faults(body.regs, item, batches):
            level = ERROR if fault.fatal else WARNING
            report.add(level, f"breaks the rule {fault.rule}: {fault.text}",
                       "the KPU's result is wrong or unknown; the firmware does not notice"
                       if fault.fatal else "", index)
    lines = np.flatnonzero(used)
    report.ai_ram = {"lines": ai_ram.LINES, "used": int(lines.size), "largest_layer": most,
                     "first": int(lines.min(initial=ai_ram.LINES)),
                     "end": int(lines.max(initial=-1)) + 1}


# -- input and outputs --------------------------------------------------------------------------


def _input(report, model):
    if model.version == 3:
        first = model.layers[0] if model.layers else None
        if isinstance(first, kl.FullyConnected):
            report.input = {"shape": [first.in_channels], "dtype": "float32"}
            report.add(NOTE, f"takes a list of {first.in_channels} numbers, not a picture",
                       "KPU.forward(task, list)")
            return
        if not isinstance(first, kl.Conv):
            name = first.NAME if first is not None else "missing"
            report.add(ERROR, f"the first layer is {name}: errors 2007 and 2008",
                       "the first layer must be a K210 convolution or a fully connected one", 0)
            return
        shape, dtype = first.regs.in_shape, "uint8"
    else:
        if not model.inputs:
            report.add(ERROR, "the model has no input")
            return
        shape = model.input_shapes[0].dims[1:]
        dtype = "float32" if model.inputs[0].datatype == 0 else "uint8"
        if len(model.inputs) > 1:
            report.add(WARNING, f"{len(model.inputs)} inputs: MaixPy fills only the first")
    report.input = {"shape": list(shape), "dtype": dtype}
    if dtype == "float32":
        report.add(WARNING, "the input is float32: a picture given to it is read four times too "
                            "far", "give KPU.forward a list of floats, or convert with "
                            "--inference-type uint8 --input-type uint8")
        return
    channels, height, width = shape
    setup = ["sensor.set_pixformat(sensor.GRAYSCALE)" if channels == 1
             else "sensor.set_pixformat(sensor.RGB565)"]
    if channels not in (1, 3):
        report.add(WARNING, f"{channels} input channels: the camera gives 1 or 3",
                   "feed it with KPU.forward(task, list)")
        return
    frame, room = ("QVGA", (320, 240)) if width <= 320 and height <= 240 else ("VGA", (640, 480))
    if width > 640 or height > 480:
        report.add(WARNING, f"the input is {width}x{height}, larger than any camera frame",
                   "retrain with an input of 320x240 or less")
        return
    setup.append(f"sensor.set_framesize(sensor.{frame})")
    if (width, height) != room:
        setup.append(f"sensor.set_windowing(({width}, {height}))")
        report.add(NOTE, f"the input is {width}x{height}, no camera frame size: without a window "
                         f"the firmware prints `img w={room[0]},h={room[1]}, but model "
                         f"w={width},h={height}`",
                   f"sensor.set_windowing(({width}, {height})), or img.resize({width}, {height}) "
                   "and img.pix_to_ai()")
    if frame == "VGA":
        report.add(WARNING, f"the input is {width}x{height}: it needs VGA frames, with "
                            f"{_kb(640 * 480 * 5)} a buffer", "320x240 or less is usual")
    report.input["setup"] = setup


def _outputs(report, model):
    for index, output in enumerate(model.outputs):
        facts = {"index": index, "size": output.size}
        if model.version == 4:
            count = output.size // 4
            shape = _shape_of(model, count)
            width, height, channels = shape
            facts["set_outputs"] = f"KPU.set_outputs(task, {index}, {width}, {height}, {channels})"
        report.outputs.append(facts)
    if not model.outputs:
        report.add(WARNING, "the model has no output")
    if model.version == 4 and model.outputs:
        report.add(NOTE, "V4 needs the shape of every output before it runs, else error 2013",
                   "; ".join(facts["set_outputs"] for facts in report.outputs))
        if len(model.outputs) > 16:
            report.add(ERROR, f"{len(model.outputs)} outputs: the firmware knows 16, the model can "
                              "never run (error 2013)", "convert with fewer outputs")
    last = model.convs[-1][1].regs if model.convs else None
    if model.version == 3 and isinstance(model.layers[-1] if model.layers else None, kl.Conv):
        report.add(NOTE, "the last layer is a convolution: the output is bytes, and "
                         f"{shape_text(last.out_shape)}",
                   "run_yolo2 wants floats: convert with a dequantize layer at the end")


def _shape_of(model, count) -> tuple[int, int, int]:
    """(w, h, channels) of an output of `count` floats: that of a last convolution of this size,
    else flat."""
    for _, node in reversed(model.convs):
        channels, height, width = node.regs.out_shape
        if channels * height * width == count:
            return width, height, channels
    return 1, 1, count


def _container(report, file, model):
    extra = len(model.trailing)
    if extra and file.kind != "v3_swapped":
        report.add(NOTE, f"{extra} bytes follow the model; loaded from a file and not from flash "
                         "they take memory as well", "cut them off" if extra >= 1024 else "")
    if model.missing_tail:
        report.add(NOTE, f"the last {model.missing_tail} bytes of padding are missing; harmless")
