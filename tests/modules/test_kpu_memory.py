"""A model's main memory is guest RAM, dumps of layers included; V5 files are the version error."""

from __future__ import annotations

import numpy as np

from k210sim.kpu.kmodel.writer import MAX_2X2, ModelBuilder, Quant
from k210sim.kpu.runtime import Net
from tests.modules.picture_vm import PictureVm

LOAD = """
import KPU, image
p = image.Image(size=(16, 8))
p.clear()
p.draw_rectangle(2, 2, 4, 4, color=(255, 255, 255), fill=True)
p.pix_to_ai()
t = KPU.load('m.kmodel')
"""


def model() -> bytes:
    """64 channels of 8x16 in the first layer, one of 4x8 as output."""
    rng = np.random.default_rng(5)
    b = ModelBuilder((3, 8, 16))
    x = b.add_quantized_conv(b.input, rng.integers(0, 256, (64, 3, 3, 3)), scale=0.01, zero=128,
                             in_quant=Quant(1 / 255, 0), out_quant=Quant(0.02, 0),
                             activation="relu")
    x = b.add_quantized_conv(x, rng.integers(0, 256, (1, 64, 1, 1)), scale=0.01, zero=128,
                             out_quant=Quant(0.05, 128), pool=MAX_2X2)
    b.output(b.add_dequantize(x))
    return b.build()


def test_a_dump_larger_than_the_main_memory_lies_in_guest_ram():
    guest = PictureVm()
    guest.files["m.kmodel"] = data = model()
    guest.run(LOAD)
    net = guest.vm.kpu.slots[0].net
    size, ram = net.main_mem_usage, guest.vm.memory.u8
    assert size < 8192 and net.main.data.size == size and np.shares_memory(net.main.data, ram)
    start = net.main.data.ctypes.data - ram.ctypes.data
    behind = ram[start + 8192 : start + 9000].copy()
    guest.run("print(KPU.set_layers(t, 1))\nf = KPU.forward(t, p)")
    assert np.shares_memory(net.main.data, ram) and net.main.data.size >= 8192
    host = Net.from_bytes(data)
    planes = net.ai_ram.read_map(host.model.layers[0].regs.image_src_addr, (3, 8, 16))
    want = host.run(planes, keep_layers=True)[0].value.reshape(-1)
    # The firmware's copy leaves out the last byte only when the width is a multiple of 64.
    assert np.array_equal(ram[start : start + 8192], want)
    assert np.array_equal(ram[start + 8192 : start + 9000], behind)


def test_a_v5_file_is_the_version_error():
    from tests.kpu.v5_files import small_v5

    guest = PictureVm()
    guest.files["m.kmodel"] = small_v5()
    before = guest.vm.system_heap.used_bytes
    error = guest.error(LOAD)
    assert error.startswith("ValueError: [MAIXPY]kpu: load error:2002, ERR_KMODEL_VERSION"), error
    assert guest.vm.kpu.slots[0] is None
    assert guest.vm.system_heap.used_bytes == before
