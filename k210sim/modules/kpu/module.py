"""The functions of `KPU`, with the firmware's checks in the firmware's order (kpu_api.md 4).

Lines of the module itself leave through Python's output (`vm.write`), which turns their "\\r\\n"
into "\\r\\r\\n" on the wire; lines of the library under it (`vm.printk`) leave as they are.
"""

from __future__ import annotations

import numpy as np

from k210sim.errors import KmodelError
from k210sim.kpu.kmodel.header import Refusal
from k210sim.micropython import layout as L
from k210sim.micropython.native import Arg, GuestModule
from k210sim.micropython.textargs import buffer_bytes
from k210sim.modules import image_object as images
from k210sim.modules.kpu import net as nets
from k210sim.modules.kpu.classifier import Classifier
from k210sim.modules.kpu.net import Refused, error_text, is_net
from k210sim.modules.kpu.results import (
    Fmap,
    Found,
    KpuFmap,
    KpuNetinfo,
    KpuYolo2,
    KpuYolo2Find,
    YoloArgs,
    layer_type_name,
)

module = GuestModule("KPU", shown_name="kpu")

NO_NET = "deinitialised or never loaded net; on the board this call crashes"


def _running_net(vm, word: int, call: str):
    """The LoadedModel of a net that still has its model. On the board the others are null
    pointers: a clear error stands for the crash."""
    model = vm.host(word)
    if model.net is None:
        raise vm.error("OSError", "[k210sim]kpu.%s: %s" % (call, NO_NET))
    return model


def _is_v3(net) -> bool:
    """V3 nets have layers to stop behind; V4 nets have output shapes to be told instead."""
    return hasattr(net, "last_layer")


def _type_error(vm):
    return vm.error("TypeError", "[MAIXPY]kpu: kpu_net type error")


# --- loading ---------------------------------------------------------------------------------
@module.function(1, kw=True)
def load(vm, args, kw):
    source = args[0]
    o, model = nets.new_net(vm)
    if vm.is_int(source):
        offset = vm.get_int(source)
        if offset <= 0:
            nets.forget(vm, o)
            raise vm.error("ValueError", "[MAIXPY]kpu: model_addr must > 0 ")
        wanted = offset
    elif vm.is_str(source):
        wanted = vm.bytes_of(source)
        if not any(ext in wanted for ext in (b".kmodel", b".smodel", b".emodel")):
            nets.forget(vm, o)
            raise vm.error("ValueError", "[MAIXPY]kpu: model format don't match, "
                           "only supply .kmodel ", formatted=False)
    else:
        nets.forget(vm, o)
        raise vm.error("TypeError", "[MAIXPY]kpu: only accept int or string")
    try:
        nets.load(vm, model, wanted)
    except Refused as refused:
        raise nets.library_error(vm, "load", refused.code, wanted) from None
    return o


@module.function(4, kw=True)
def load_flash(vm, args, kw):
    o, model = nets.new_net(vm)
    if not all(vm.is_int(a) for a in args[:4]):
        raise vm.error("ValueError", "[MAIXPY]kpu: load_flash arg format error: task=kpu."
                       "load_flash(flash_addr, is_dual_buf, batch_size, spi_speed)",
                       formatted=False)
    offset, dual, batch, speed = (vm.get_int(a) for a in args[:4])
    if offset <= 0:
        nets.forget(vm, o)
        raise vm.error("ValueError", "[MAIXPY]kpu: model_addr must > 0 ")
    try:
        nets.load_flash(vm, model, offset, dual != 0, batch, speed)
    except Refused as refused:
        raise nets.library_error(vm, "load_flash", refused.code, offset) from None
    return o


@module.function(1, kw=True)
def deinit(vm, args, kw):
    if not is_net(vm, args[0]):
        raise _type_error(vm)
    vm.host(args[0]).deinit(vm)
    return L.TRUE


# --- yolo2 -----------------------------------------------------------------------------------
_INIT_SPEC = [Arg("kpu_net", required=True), Arg("threshold", default=L.NONE),
              Arg("nms_value", default=L.NONE), Arg("anchor_number", "int", 0),
              Arg("anchor", default=L.NONE), Arg("dma", "int", -1)]


@module.function(5, kw=True)
def init_yolo2(vm, args, kw):
    net, threshold, nms, number, anchor, dma = vm.parse_args(args, kw, _INIT_SPEC)
    if not is_net(vm, net):
        raise _type_error(vm)
    vm.kpu.dma = dma
    threshold = vm.get_float(threshold)
    if not 0 <= threshold <= 1:
        raise vm.error("ValueError", "[MAIXPY]kpu: threshold only support 0 to 1",
                       formatted=False)
    nms = vm.get_float(nms)
    if not 0 <= nms <= 1:
        raise vm.error("ValueError", "[MAIXPY]kpu: nms_value only support 0 to 1",
                       formatted=False)
    if number <= 0:
        raise vm.error("ValueError", "[MAIXPY]kpu: anchor_number should > 0", formatted=False)
    if number >= 128:
        raise vm.error("ValueError", "[k210sim]kpu.init_yolo2: anchor_number %d; from 128 on the "
                       "board never returns" % number, formatted=True)
    block = vm.system_heap.malloc(8 * number + 24)
    anchors = [vm.get_float(a) for a in vm.get_array_fixed(anchor, 2 * number)]
    model = vm.host(net)
    # A second call leaks the first block on the board; the model's deinit gives back the last.
    model.yolo_block = block
    made = vm.new_host_object(KpuYolo2, YoloArgs(threshold, nms, number, anchors), 48)
    if model.yolo != L.NONE:
        vm.release(model.yolo)
    model.yolo = vm.keep(made)
    return L.TRUE


def _check_image(vm, model, image) -> None:
    """Kpu_api 3.3: the checks before an image goes into a net, with their console lines."""
    try:
        channels, height, width = model.net.input_shape()
    except Refusal:
        raise vm.error("ValueError",
                       "[MAIXPY]kpu: first layer not conv layer!\r\n", formatted=False) from None
    line = ""
    if image.ai is None:
        line = "pix_ai is NULL!"
    elif (image.w, image.h) != (width, height):
        line = "img w=%d,h=%d, but model w=%d,h=%d" % (image.w, image.h, width, height)
    elif image.kind == "grayscale" and channels != 1:
        line = "grayscale img, but model channel=%d" % channels
    elif image.kind == "rgb565" and channels != 3:
        line = "RGB img, but model channel=%d" % channels
    elif image.kind not in ("grayscale", "rgb565"):
        line = "img bpp not support yet!"
    if line:
        vm.event("kpu.picture", (line, (channels, height, width)))
        vm.write("[MAIXPY]kpu: %s\r\n" % line)
        raise vm.error("ValueError", "[MAIXPY]kpu: check img format err!\r\n", formatted=False)


def _image_input(model, image) -> np.ndarray:
    channels, height, width = model.net.input_shape()
    return image.ai[: channels * height * width].reshape(channels, height, width)


def _run(vm, model, x: np.ndarray) -> None:
    """Run the net; virtual time advances by the forecast of the chip."""
    try:
        if not _is_v3(model.net):
            model.net.check_outputs()
        model.net.run(x)
    except Refusal as refusal:
        raise vm.error("OSError", error_text(refusal.code)) from None
    except KmodelError as error:
        vm.event("note", "KPU: " + str(error))
        raise vm.error("OSError", error_text(2008)) from None
    vm.charge_ns(int(forecast_ms(vm, model) * 1e6))
    vm.event("kpu.run", model)
    vm.checkpoint()


def forecast_ms(vm, model) -> float:
    """Predicted milliseconds of a run of the enabled layers on the chip, at its clock rates."""
    from k210sim.kpu.forecast import FlashStream, forecast

    v3 = _is_v3(model.net)
    key = (model.net.layer_count, vm.rates.cpu, vm.rates.kpu, vm.kpu.dma > 0)
    if key not in model.forecasts:
        options = {"dma": vm.kpu.dma > 0}
        if v3:
            options["layers"] = model.net.layer_count
            if model.stream:
                options["flash"] = FlashStream(*model.stream)
        model.forecasts[key] = forecast(model.net.model, vm.rates.cpu, vm.rates.kpu,
                                        **options).total_ms
    return model.forecasts[key]


def _head_shape(net) -> tuple[int, int, int]:
    """(channels, height, width) of the yolo head: of the last convolution, or told (V4)."""
    if _is_v3(net):
        return net.yolo_shape()
    shape = net.output_shape(0)
    if shape is None:
        raise Refusal(2013, "output 0 has no shape")
    w, h, ch = shape
    return ch, h, w


@module.function(2, kw=True)
def run_yolo2(vm, args, kw):
    from k210sim.kpu.runtime import DeviceCrash
    from k210sim.kpu.yolo2 import RegionInitError, region_layer

    net, picture = args[0], args[1]
    if not is_net(vm, net):
        raise _type_error(vm)
    image = images.get_image(vm, picture)
    model = _running_net(vm, net, "run_yolo2")
    _check_image(vm, model, image)
    if model.yolo == L.NONE:
        raise vm.error("OSError", "[k210sim]kpu.run_yolo2: call init_yolo2 first; on the board "
                       "this reads a null pointer", formatted=False)
    yolo = vm.host(model.yolo)
    try:
        shape = _head_shape(model.net)
    except Refusal:
        raise vm.error("ValueError",
                       "[MAIXPY]kpu: region_layer_init err!\r\n", formatted=False) from None
    _run(vm, model, _image_input(model, image))
    _, height, width = model.net.input_shape()
    raw = model.net.output_bytes(0)
    head = raw[: raw.size // 4 * 4].view("<f4")
    try:
        found = region_layer(head, shape, yolo.anchors, yolo.threshold, yolo.nms_value,
                             (width, height))
    except RegionInitError:
        raise vm.error("ValueError",
                       "[MAIXPY]kpu: region_layer_init err!\r\n", formatted=False) from None
    except DeviceCrash as crash:
        raise vm.error("OSError", "[k210sim]kpu.run_yolo2: %s" % crash) from None
    # Sigmoid, softmax and sorting on the CPU: about 100 cycles a value (guess).
    vm.charge_ns(head.size * 100 * 1_000_000_000 // 400_000_000)
    if len(found) % 256 == 0:
        return L.NONE
    words = [vm.new_host_object(
        KpuYolo2Find, Found(d.x, d.y, d.w, d.h, float(d.value), d.classid, i, len(found) % 256),
        64) for i, d in enumerate(found)]
    return vm.new_list(words)


# --- forward and feature maps ----------------------------------------------------------------
_FORWARD_SPEC = [Arg("kpu_net", required=True), Arg("img", default=L.NONE),
                 Arg("out_index", "int", 0), Arg("dma", "int", -1)]


@module.function(1, kw=True)
def forward(vm, args, kw):
    """The third positional argument is the users' document's: the layer to stop behind, from 0.
    The keyword `out_index` is the firmware's: which model output to fetch."""
    end_layer = None
    if len(args) >= 3 and args[2] != L.NONE:
        end_layer = vm.get_int(args[2])
        args = [*args[:2], 1, *args[3:]]
    net, picture, out_index, dma = vm.parse_args(args, kw, _FORWARD_SPEC)
    if not is_net(vm, net):
        return L.NONE
    model = _running_net(vm, net, "forward")
    vm.kpu.dma = dma
    _use_dma(model, dma)
    list_block = 0
    if images.is_image(vm, picture):
        image = images.get_image(vm, picture)
        _check_image(vm, model, image)
        x = _image_input(model, image)
    elif vm.is_type(picture, "list"):
        x, list_block = _list_input(vm, model, picture)
    else:
        raise vm.error("ValueError", "input not support")
    if end_layer is None:
        _run(vm, model, x)
        vm.system_heap.free(list_block)
        return _fetch(vm, model, out_index, "forward")
    fmap = _forward_to(vm, model, x, end_layer)
    vm.system_heap.free(list_block)
    return fmap


def _use_dma(model, dma: int) -> None:
    if hasattr(model.net, "cpu_copy"):
        model.net.cpu_copy = dma <= 0


def _list_input(vm, model, picture):
    words = vm.items_of(picture)
    if not words:
        raise vm.error("ValueError", "[MAIXPY]kpu: check input list format err!\r\n",
                       formatted=False)
    block = vm.system_heap.malloc(4 * len(words))
    if not block:
        raise vm.error("ValueError", "[MAIXPY]kpu: alloc list mem err!\r\n", formatted=False)
    values = np.array([vm.get_float(w) for w in words], np.float32)
    first = model.net.model.layers[0] if getattr(model.net, "model", None) else None
    wanted = getattr(first, "in_channels", values.size) if first is not None else values.size
    if hasattr(first, "regs"):
        # The board uploads the bytes of the floats as if they were pixels.
        count = int(np.prod(first.regs.in_shape))
        raw = np.zeros(count, np.uint8)
        have = values.view(np.uint8)[:count]
        raw[: have.size] = have
        return raw, block
    if values.size != wanted:
        padded = np.zeros(wanted, np.float32)
        padded[: min(wanted, values.size)] = values[:wanted]
        values = padded
    return values, block


def _forward_to(vm, model, x, end_layer: int) -> int:
    """Run up to a layer and copy its output, as the users' document describes: the copy lies in
    the system heap until `fmap_free`, or until the object is collected."""
    net = model.net
    if not _is_v3(net):
        raise vm.error("OSError", error_text(2014))
    if not 0 <= end_layer < net.total_layers:
        raise vm.error("ValueError", "[k210sim]kpu.forward: end_layer %d, the model has layers "
                       "0 to %d" % (end_layer, net.total_layers - 1), formatted=True)
    before = net.layer_count
    net.layer_count = end_layer + 1
    try:
        _run(vm, model, x)
        try:
            value = np.ascontiguousarray(_last_value(net))
        except KmodelError as error:
            raise vm.error("OSError", "[k210sim]kpu.forward: %s" % error) from None
        shape, typecode = net.last_layer_shape(), net.typecode()
    finally:
        net.layer_count = before
    raw = value.reshape(-1).view(np.uint8)
    block = vm.system_heap.malloc((raw.size + 7) & ~7)
    if not block:
        raise vm.os_error(12)
    at = block - L.RAM_BASE
    data = vm.memory.u8[at : at + raw.size]
    data[:] = raw
    if shape:
        typecode = "B"
    elif typecode not in ("B", "f"):
        typecode = "B"
    ch, h, w = shape if shape else (1, 1, raw.size // (4 if typecode == "f" else 1))
    fmap = Fmap(data, block, raw.size, end_layer, w, h, ch, typecode, owned=block)
    return vm.new_host_object(KpuFmap, fmap, 64)


def _last_value(net) -> np.ndarray:
    """What the last enabled layer wrote: channel planes of a convolution, else its bytes in main
    memory."""
    from k210sim.kpu import runtime

    body = net.last_layer()
    if hasattr(body, "regs"):
        return net.ai_ram.read_map(body.regs.image_dst_addr, body.regs.out_shape)
    size = runtime.OUTPUT_SIZES.get(type(body))
    if size is None:
        raise KmodelError("layer type %d leaves nothing in main memory" % body.TYPE)
    count = size(body)
    if net.typecode() == "f" and type(body).__name__ == "Add":
        count *= 4  # the table counts elements there
    return net.main.u8(body.dst, count)


def _fetch(vm, model, out_index: int, call: str) -> int:
    net = model.net
    v4 = not _is_v3(net)
    try:
        data = net.output_bytes(out_index)
    except Refusal as refusal:
        if call == "forward":
            raise vm.error("OSError", "sipeed_kpu_get_output err") from None
        text = "get_output err" if v4 else "%d" % refusal.code
        raise vm.error("OSError", text, formatted=not v4) from None
    size = data.size
    if v4:
        shape = net.output_shape(out_index)
        if shape is None:
            name = "sipeed_kpu_get_outputs_shape err" if call == "forward" \
                else "get_outputs_shape err"
            raise vm.error("OSError", name)
        w, h, ch = shape
        typecode = "f"
    else:
        size = net.outputs[out_index][1]
        shape = net.last_layer_shape()
        ch, h, w = shape if shape else (1, 1, size & 0xFFFF)
        typecode = net.typecode()
    address = vm.address_of(data)
    fmap = Fmap(data, address, min(size, data.size), net.layer_count - 1, w, h, ch, typecode)
    return vm.new_host_object(KpuFmap, fmap, 64)


@module.function(2, kw=True)
def get_output(vm, args, kw):
    net, index = args[0], args[1]
    if not (is_net(vm, net) and vm.is_int(index)):
        raise vm.error("ValueError", "[MAIXPY]kpu: get_output arg format error: "
                       "get_output(task, int idx)", formatted=False)
    return _fetch(vm, _running_net(vm, net, "get_output"), vm.get_int(index) & 0xFFFF,
                  "get_output")


@module.function(2)
def fmap(vm, fmap_object, channel):
    ch = vm.get_int(channel)
    if not vm.is_instance_of(fmap_object, KpuFmap):
        raise vm.error("TypeError", "[k210sim]kpu.fmap: '%s' is no kpu_fmap; the board does not "
                       "check and crashes" % vm.type_name(fmap_object), formatted=True)
    f = vm.host(fmap_object)
    if not 0 <= ch < f.ch:
        raise vm.error("ValueError", "[MAIXPY]kpu: ch err,input 0~%d\r\n" % f.ch, formatted=True)
    if f.typecode != "B":
        raise vm.error("ValueError", "[MAIXPY]kpu: can't convet float fmap yet\r\n",
                       formatted=False)
    plane = f.w * f.h
    start = ch * plane
    pixels = f.data[start : start + plane]
    if pixels.size < plane:
        # The copy out of the KPU leaves the last byte out (kpu_api 6.5).
        whole = np.zeros(plane, np.uint8)
        whole[: pixels.size] = pixels
        pixels = whole
    return images.new_gray_view(vm, pixels.reshape(f.h, f.w), keep=fmap_object)


@module.function(1)
def fmap_free(vm, fmap_object):
    """Frees the copy a `forward` to a layer made; on other maps nothing, as in the firmware."""
    if vm.is_instance_of(fmap_object, KpuFmap):
        vm.host(fmap_object).release(vm)


@module.function(2)
def set_layers(vm, net, count):
    from k210sim.kpu.runtime import DeviceCrash

    if not is_net(vm, net):
        raise _type_error(vm)
    n = vm.get_int(count)
    model = _running_net(vm, net, "set_layers")
    if not hasattr(model.net, "set_layers"):
        if n > model.max_layers:
            vm.write("err: set layers_length to %d, but max %d\r\n" % (n, model.max_layers))
            return L.FALSE
        return L.TRUE
    try:
        result = model.net.set_layers(n)
    except DeviceCrash as crash:
        vm.printk(crash.printed)
        raise vm.error("OSError", "[k210sim]kpu.set_layers: %s" % crash) from None
    if result.printed:
        (vm.printk if result.ok else vm.write)(result.printed)
    return vm.new_bool(result.ok)


@module.function(4, kw=True)
def set_outputs(vm, args, kw):
    usage = ("[MAIXPY]kpu: set_outputs arg format error: "
             "set_outputs(task, int idx, int w, int h, int ch)")
    if len(args) < 5 or not is_net(vm, args[0]) or not all(vm.is_int(a) for a in args[1:5]):
        raise vm.error("ValueError", usage, formatted=False)
    index, w, h, ch = (vm.get_int(a) & 0xFFFF for a in args[1:5])
    model = _running_net(vm, args[0], "set_outputs")
    if _is_v3(model.net):
        vm.write("[MAIXPY]kpu: set_outputs ctx error, maybe init err:2002\r\n")
        return L.FALSE
    code = model.net.set_outputs(index, w, h, ch)
    if code == 2011:
        vm.write("[MAIXPY]kpu: set_outputs arg value error:kmodel output idx %d out of range\r\n"
                  % index)
        return L.FALSE
    if code == 2012:
        vm.printk("w*h*ch!=%d\r\n" % model.net.output_size(index))
        vm.write("[MAIXPY]kpu: set_outputs arg value error: w,c,ch size not match "
                  "output size\r\n")
        return L.FALSE
    return L.TRUE


@module.function(1)
def netinfo(vm, net):
    if not is_net(vm, net):
        raise _type_error(vm)
    model = vm.host(net)
    if model.net is None:
        raise vm.error("ValueError", "get layer num error!")
    if not hasattr(model.net, "layer_facts"):
        raise vm.os_error(2014)
    result = vm.new_list()
    for index in range(model.net.layer_count):
        facts = model.net.layer_facts(index)
        vm.printk("layer[%d]: %s, %d bytes\r\r\n"  # the prompt makes \r\n of the source's \n
                  % (index, layer_type_name(facts["type"]), facts["body_size"]))
        vm.list_append(result, vm.new_host_object(KpuNetinfo, facts, 64))
    return result


# --- memory and features -----------------------------------------------------------------------
@module.function(0)
def memtest(vm):
    """Largest block the GC heap can give, found by bisection; then the system heap's gap."""
    low, high = 0, 8 * 1024 * 1024
    while high - low > 1024:
        trial = (low + high) // 2
        while True:
            block = vm.heap.alloc(trial)
            if not block:
                high = trial
                break
            vm.heap.free(block, trial)
            low = trial
            trial *= 2
            if trial >= high:
                break
    vm.write("###free gc heap memory : %d KB\r\n" % (low // 1024))
    vm.write("###free sys heap memory: %d KB\r\n" % (vm.system_heap.free_to_top // 1024))


@module.function(1)
def face_encode(vm, seq):
    from k210sim.kpu import features

    words = vm.get_array(seq)
    if len(words) > features.MAX_ELEMENTS:
        raise vm.error("ValueError", "feature dim <=200\r\n", formatted=False)
    data = bytes(features.face_encode([vm.get_float(w) for w in words]))
    return vm.call(L.TYPE["bytearray"], [vm.new_bytes(data)])


@module.function(2)
def face_compare(vm, a, b):
    from k210sim.kpu import features

    raw = [_feature_bytes(vm, o) for o in (a, b)]
    if len(raw[0]) != len(raw[1]):
        raise vm.error("ValueError", "compare feature must in same dim!\r\n", formatted=False)
    return vm.new_float(features.face_compare(raw[0], raw[1]))


def _feature_bytes(vm, o: int) -> bytes:
    """A buffer's bytes, or (the users' document's way) a list or tuple of numbers 0..255."""
    if vm.is_type(o, "list") or vm.is_type(o, "tuple"):
        return bytes(vm.get_int(w) & 0xFF for w in vm.items_of(o))
    return buffer_bytes(vm, o)


module.add_type(Classifier, "classifier")


@module.init
def _start(vm):
    vm.kpu = nets.Library()
