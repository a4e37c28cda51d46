"""`kpu_net`: a model loaded into the system heap.

The firmware keeps five models at most, each with its data, main memory and contexts in the
system heap; the guest's object only points there. Sizes and the order of allocations:
kpu_api.md 4.1, 4.2 and 8.
"""

from __future__ import annotations

import numpy as np

from k210sim.errors import KmodelError
from k210sim.kpu.kmodel import header
from k210sim.micropython import layout as L
from k210sim.micropython.layout import RAM_BASE
from k210sim.micropython.native import GuestError, GuestType, method

MAX_MODELS = 5
CONTEXT_BYTES = 192
HANDLE_BYTES = 1
ALIGN_SLACK = 256
INTERPRETER_BYTES_V4 = 288
FLASH_HEADER_BYTES = 0x1100
ENCRYPTED = ("smodel", "smodel_v4", "emodel")

TEXTS = {
    0: "ERR_NONE",
    2001: "ERR_PARAM: please check param, load address or kmodel file name",
    2002: "ERR_KMODEL_VERSION: only support kmodel V3/V4 now",
    2003: "ERR_KMODEL_FORMAT: layer_header.body_size <=0",
    2004: "ERR_DECRYPT: check smodel match with your board",
    2005: "ERR_READ_FILE: read file failed",
    2006: "ERR_NO_MEM: memory not enough",
    2007: "ERR_GET_CONV_LAYER: first layer should be conv layer",
    2008: "ERR_RUN_MODEL: maybe model dirty",
    2009: "ERR_MODELS_FULL: we only support load 5 models in the same time",
    2010: "ERR_PERMITION",
    2011: "SIPEED_KPU_ERR_IDX_OUTRANGE",
    2012: "SIPEED_KPU_ERR_SIZE_NOTMATCH",
    2013: "ERR_OUTPUTS_SET: need kpu.set_outputs() to set shape",
    2014: "ERR_NOT_IMPLEMENT",
    2015: "ERR_UNKNOWN",
}


def error_text(code: int) -> str:
    """The firmware's words for an error number."""
    return TEXTS.get(code, TEXTS[2015])


class Refused(Exception):
    """The library answers with an error number."""

    def __init__(self, code: int):
        self.code = code
        super().__init__(f"KPU error {code}")


class Library:
    """What the firmware's KPU library keeps for the whole board: slots and driver globals."""

    def __init__(self):
        from k210sim.kpu.runtime import Driver

        self.slots: list[LoadedModel | None] = [None] * MAX_MODELS
        self.lost_slots = 0
        self.driver = Driver()
        self.dma = -1


class Blocks:
    """System-heap blocks that live and die together."""

    def __init__(self, vm):
        self.vm = vm
        self.addresses: list[int] = []

    def take(self, n_bytes: int) -> int:
        """One block, or Refused(2006) after giving back all of them."""
        addr = self.vm.system_heap.malloc(n_bytes)
        if not addr:
            self.vm.printk("\x1b[0;31mE (%d) SYSCALL: Out of memory\r\n\x1b[0m\n"
                           % self.vm.cycles())
            self.release()
            raise Refused(2006)
        self.addresses.append(addr)
        return addr

    def release(self) -> None:
        for addr in reversed(self.addresses):
            self.vm.system_heap.free(addr)
        self.addresses.clear()


class LoadedModel:
    """Host state of a `kpu_net`: the running net and its blocks; `net` is None after deinit."""

    def __init__(self):
        self.net = None
        self.blocks: Blocks | None = None
        self.yolo_block = 0
        self.slot = -1
        self.addr = 0  # flash offset, 0 for a file
        self.size = 0
        self.path: bytes | None = None
        self.yolo = L.NONE  # kpu_yolo2 object word
        self.stream: tuple[float, bool, int] | None = None  # load_flash: SPI Hz, dual, batch
        self.max_layers = 0
        self.forecasts: dict[tuple, float] = {}

    def deinit(self, vm) -> None:
        """Give everything back to the system heap; the slot becomes free."""
        if self.blocks is not None:
            self.blocks.release()
            self.blocks = None
        if self.yolo_block:
            vm.system_heap.free(self.yolo_block)
            self.yolo_block = 0
        if self.slot >= 0:
            vm.kpu.slots[self.slot] = None
            self.slot = -1
        self.net = None
        if self.yolo != L.NONE:
            vm.release(self.yolo)
            self.yolo = L.NONE


class KpuNet(GuestType):
    """`kpu_net`: 64 bytes on the GC heap with a finaliser."""

    name = "kpu_net"

    def print(self, vm, o, kind):
        model = vm.host(o)
        args = '"(null)"' if model.yolo == L.NONE else vm.print_text(model.yolo)
        path = "(null)" if model.path is None else model.path.decode("utf-8", "surrogateescape")
        return '{"model_addr": %d, "model_size": %d, "model_path": "%s", "net_args": %s}' % (
            model.addr, model.size, path, args)

    def finalise(self, vm, o, model):
        if model is not None:
            vm.write("kpu_net __del__\r\n")
            model.deinit(vm)

    @method(1)
    def model_addr(vm, self):
        model = vm.host(self)
        return L.NONE if model.path is not None else vm.new_int(model.addr)

    @method(1)
    def model_size(vm, self):
        return vm.new_int(vm.host(self).size)

    @method(1)
    def model_path(vm, self):
        path = vm.host(self).path
        return L.NONE if path is None else vm.new_str(path)

    @method(1)
    def net_arg(vm, self):
        return vm.host(self).yolo

    @method(1, name="__del__")
    def delete(vm, self):
        vm.write("kpu_net __del__\r\n")
        vm.host(self).deinit(vm)


def is_net(vm, o: int) -> bool:
    return vm.is_instance_of(o, KpuNet)


def new_net(vm) -> tuple[int, LoadedModel]:
    """The object `load` fills; it exists (and prints when collected) even if loading fails."""
    model = LoadedModel()
    return vm.new_host_object(KpuNet, model, 64), model


def forget(vm, o: int) -> None:
    """The firmware's explicit delete before raising: no finaliser, no message."""
    vm.host_values.pop(o, None)
    vm.free_temp(o, 64)


def library_error(vm, function: str, code: int, source: int | bytes | None = None) -> GuestError:
    """The error of the library; the host is told which model (flash offset or path) it met."""
    vm.event("kpu.error", (code, source))
    return vm.error("ValueError", "[MAIXPY]kpu: %s error:%d, %s"
                    % (function, code, error_text(code)), formatted=True)


def load(vm, model: LoadedModel, source) -> None:
    """Load from a flash offset (int) or a path (bytes). Raises Refused."""
    library = vm.kpu
    blocks = Blocks(vm)
    blocks.take(HANDLE_BYTES)
    offset = None if isinstance(source, bytes) else source & 0xFFFFFFFF
    if offset == 0:
        blocks.release()
        library.lost_slots += 1
        raise Refused(2001)
    slot = _free_slot(library)
    if slot < 0:
        blocks.release()
        raise Refused(2009)
    try:
        data = _read_file(vm, source) if offset is None else _read_flash(vm, offset)
        _install(vm, model, blocks, data)
    except (Refused, header.Refusal) as refusal:
        blocks.release()
        raise Refused(refusal.code) from None
    model.slot, model.blocks = slot, blocks
    library.slots[slot] = model
    model.addr = source if offset is not None else 0
    model.path = source if offset is None else None


def _free_slot(library: Library) -> int:
    for i in range(MAX_MODELS - library.lost_slots):
        if library.slots[i] is None:
            return i
    return -1


def _read_file(vm, path: bytes) -> bytes:
    try:
        data = vm.vfs.read_file(path.decode("utf-8", "surrogateescape"))
    except (GuestError, OSError):
        raise Refused(2005) from None
    if len(data) < 8:
        raise Refused(2005)
    if header.identify(data) == "unknown":
        raise Refused(2002)
    if len(data) > header.MAX_MODEL_SIZE:
        raise Refused(2003)
    return data


def _flash_reader(vm, offset: int):
    """read(start, n): flash bytes from `offset` on; addresses wrap at 16 MiB as on the bus."""
    flash = vm.board.flash.data
    size = len(flash)

    def read(start: int, n_bytes: int) -> bytes:
        at = (offset + start) % size
        out = bytes(flash[at : at + n_bytes])
        while len(out) < n_bytes:
            out += bytes(flash[: min(size, n_bytes - len(out))])
        return out

    return read


def _read_flash(vm, offset: int) -> bytes:
    read = _flash_reader(vm, offset)
    head = read(0, 12)
    kind = header.identify(head)
    try:
        if kind == "v3":
            size = header.flash_size(read)
        elif kind == "v4":
            size = header.flash_size_v4(read)
        elif kind in ENCRYPTED:
            size = int.from_bytes(head[4:8], "little")
        else:
            raise Refused(2002)
        if not 0 < size <= header.MAX_MODEL_SIZE:
            raise header.Refusal(2003, f"model of {size} bytes")
    except header.Refusal as refusal:
        if refusal.code == 2003:
            vm.printk("model size err\r\n")
        raise Refused(refusal.code) from None
    data = read(0, size)
    # The driver reads through SPI3 at 25 MHz, four lines.
    vm.charge_ns(size * 2 * 1_000_000_000 // 25_000_000)
    return data


def _install(vm, model: LoadedModel, blocks: Blocks, data: bytes) -> None:
    """Data and main memory into the system heap, and the net that runs them."""
    kind = header.identify(data)
    addr = blocks.take(len(data) + ALIGN_SLACK)
    if kind in ("smodel", "smodel_v4"):
        if len(data) % 16:
            raise Refused(2003)
        vm.printk("encrypted model\r\n")
        raise Refused(2004)  # made for another chip's key: no model can match a simulated one
    if kind == "emodel":
        raise Refused(2015)
    blocks.take(CONTEXT_BYTES)
    if kind not in ("v3", "v4"):
        raise Refused(2002)
    net = make_net(vm, data, kind)
    if kind == "v4":
        blocks.take(INTERPRETER_BYTES_V4)
    main = blocks.take(net.main_mem_usage)
    start = (addr + ALIGN_SLACK - 1) & ~(ALIGN_SLACK - 1)
    vm.memory.write(start, data)
    place_main_memory(vm, net, main)
    model.net, model.size = net, len(data)
    model.max_layers = net.total_layers
    vm.event("kpu.load", model)


def make_net(vm, data: bytes, kind: str):
    """The runner for V3 or V4 bytes. Raises Refused with the device's number.

    Its kernels are ready afterwards: a fresh installation compiles them here and says so on the
    host's stderr, not in the middle of the first forward.
    """
    from k210sim.kpu import warmup

    warmup.ready(3 if kind == "v3" else 4)
    try:
        if kind == "v3":
            from k210sim.kpu.runtime import Net

            return Net.from_bytes(data, driver=vm.kpu.driver, truncate=True, cpu_copy=True)
        from k210sim.kpu.runtime_v4 import NetV4

        return NetV4.from_bytes(data)
    except header.Refusal as refusal:
        raise Refused(refusal.code) from None
    except KmodelError:
        raise Refused(2003 if kind == "v3" else 2002) from None


def place_main_memory(vm, net, addr: int) -> None:
    """Let the net's main memory be the guest's RAM from `addr` on.

    What lies behind its block is in reach too: `set_layers` dumps of a large feature map run over
    whatever the system heap holds there, as on the chip.
    """
    net.main.attach(vm.memory.u8[addr - RAM_BASE :])


def load_flash(vm, model: LoadedModel, offset: int, dual: bool, batch: int, speed: int) -> None:
    """Prepare a byte-reversed model for running straight from flash. Raises Refused."""
    library = vm.kpu
    blocks = Blocks(vm)
    slot = _free_slot(library)
    if slot < 0:
        raise Refused(2009)
    try:
        blocks.take(CONTEXT_BYTES)
        blocks.take(FLASH_HEADER_BYTES)
        base = 400_000_000
        divider = max(2, min(65534, base // speed)) if speed > 0 else 65534
        vm.printk("SPI freq %d Hz\r\n" % (base // divider))
        read = _flash_reader(vm, offset & 0xFFFFFFFF)

        def swapped(start: int, n_bytes: int) -> bytes:
            first, last = start & ~3, (start + n_bytes + 3) & ~3
            raw = np.frombuffer(read(first, last - first), ">u4").astype("<u4").tobytes()
            return raw[start - first : start - first + n_bytes]

        kind = header.identify(swapped(0, 12))
        if kind not in ("v3", "v4"):
            raise Refused(2002)
        try:
            size_of = header.flash_size if kind == "v3" else header.flash_size_v4
            data = swapped(0, size_of(swapped))
        except header.Refusal as refusal:
            raise Refused(refusal.code) from None
        net = make_net(vm, data, kind)
        main = blocks.take(net.main_mem_usage)
        largest = max(getattr(net.model, "body_sizes", ()), default=0)
        for _ in range(2 if dual else 1):
            blocks.take(largest + ALIGN_SLACK)
    except Refused:
        blocks.release()
        raise
    place_main_memory(vm, net, main)
    model.net, model.blocks, model.slot = net, blocks, slot
    model.size = len(data) if kind == "v3" else 0
    model.addr = offset
    model.max_layers = net.total_layers
    library.slots[slot] = model
    model.stream = (base // divider, dual, batch)  # each run fetches the bodies again
    vm.event("kpu.load", model)
