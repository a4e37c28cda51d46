"""The first ten minutes with the board, as a newcomer types them: flash the public face model, find
the face, draw feature maps, walk through memory; by `exec` and again through the serial port."""

from __future__ import annotations

import re
import subprocess
import sys
import time

import numpy as np
import pytest

serial = pytest.importorskip("serial")
Image = pytest.importorskip("PIL.Image")

FACE = """\
import sensor, image, lcd
import KPU as kpu
lcd.init()
sensor.reset()
sensor.set_pixformat(sensor.RGB565)
sensor.set_framesize(sensor.QVGA)
sensor.run(1)
task = kpu.load(0x300000)
anchor = (1.889, 2.5245, 2.9465, 3.94056, 3.99987, 5.3658, 5.155437, 6.92275, 6.718375, 9.01025)
a = kpu.init_yolo2(task, 0.5, 0.3, 5, anchor)
for _ in range(2):
    img = sensor.snapshot()
    code = kpu.run_yolo2(task, img)
    if code:
        for i in code:
            print(i)
            a = img.draw_rectangle(i.rect())
    a = lcd.display(img)
a = kpu.deinit(task)
"""

# The users' document, its indentation mended and cut to one round.
MAPS = """\
import sensor
import image
import lcd
import KPU as kpu
index=3
lcd.init()
sensor.reset()
sensor.set_pixformat(sensor.RGB565)
sensor.set_framesize(sensor.QVGA)
sensor.run(1)
task=kpu.load(0x300000)
img=image.Image()
info=kpu.netinfo(task)
layer=info[index]
w=layer.wo()
h=layer.ho()
num=int(320*240/w/h)
list=[None]*num
x_step=int(320/w)
y_step=int(240/h)
img_lcd=image.Image()
for _ in range(1):
    img=sensor.snapshot()
    fmap=kpu.forward(task,img,index)
    for i in range(0,num):
        list[i]=kpu.fmap(fmap,i)
    for i in range(0,num):
        list[i].stretch(64,255)
    for i in range(0,num):
        a=img_lcd.draw_image(list[i],((i%x_step)*w,(int(i/x_step))*h))
    lcd.display(img_lcd)
    kpu.fmap_free(fmap)
print(w, h, num)
"""

MEMORY = """\
import KPU as kpu
import gc
def show():
    kpu.memtest()
show()
task = kpu.load(0x300000)
show()
kpu.deinit(task)
del task
gc.collect()
show()
task = kpu.load(0x300000)
show()
del task
gc.collect()
show()
"""


@pytest.fixture(scope="module")
def setting(shared, tmp_path_factory):
    """Command-line options for a board with the face model in flash and the picture in view."""
    image = tmp_path_factory.mktemp("board") / "flash.bin"
    kfpkg = shared / "models" / "face_model_at_0x300000.kfpkg"
    done = command("flash", str(kfpkg), "--flash-image", str(image))
    assert done.returncode == 0 and "0x00300000" in done.stdout, done.stderr
    return ["--flash-image", str(image), "--camera", str(shared / "images" / "faces_31.jpg")]


def command(*args):
    return subprocess.run([sys.executable, "-m", "k210sim", *args], capture_output=True, text=True,
                          timeout=120)


def check_face(text: str) -> tuple[int, int, int, int]:
    found = re.findall(r'"x":(\d+), "y":(\d+), "w":(\d+), "h":(\d+), "value":([\d.]+)', text)
    assert len(found) == 2 and found[0] == found[1], text
    x, y, w, h = (int(v) for v in found[0][:4])
    assert (x + w / 2) / 320 == pytest.approx(0.17, abs=0.01)
    assert (y + h / 2) / 240 == pytest.approx(0.23, abs=0.01)
    assert float(found[0][4]) == pytest.approx(0.71, abs=0.02)
    return x, y, w, h


def check_memory(text: str) -> None:
    gc_heap = [int(n) for n in re.findall(r"free gc heap memory : (\d+) KB", text)]
    system = [int(n) for n in re.findall(r"free sys heap memory: (\d+) KB", text)]
    assert len(gc_heap) == len(system) == 5, text
    assert system[0] - system[1] in range(420, 430), "379 KB of model, its main memory, contexts"
    assert system[2] == system[4] == system[0] and system[3] == system[1]
    assert max(gc_heap) - min(gc_heap) <= 1, "a model takes next to nothing of the GC heap"
    assert text.count("kpu_net __del__") == 2


def test_the_face_is_found_and_framed_on_the_panel(setting, tmp_path):
    script, picture = tmp_path / "face.py", tmp_path / "lcd.png"
    script.write_text(FACE)
    done = command("exec", str(script), *setting, "--lcd-out", str(picture))
    assert done.returncode == 0, done.stdout + done.stderr
    x, y, w, h = check_face(done.stdout)
    pixels = np.asarray(Image.open(picture).convert("RGB"))
    assert (pixels[y, x : x + w] == 255).all() and (pixels[y + h - 1, x : x + w] == 255).all()


def test_feature_maps_are_drawn(setting, tmp_path):
    script, picture = tmp_path / "maps.py", tmp_path / "lcd.png"
    script.write_text(MAPS)
    done = command("exec", str(script), *setting, "--lcd-out", str(picture))
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.replace("\r", "").splitlines()[-1] == "80 60 16"
    pixels = np.asarray(Image.open(picture).convert("RGB"))
    maps = [pixels[r : r + 60, c : c + 80] for r in range(0, 240, 60) for c in range(0, 320, 80)]
    assert sum(part.std() > 20 for part in maps) >= 6, "several maps show structure"


def test_a_models_memory_leaves_and_returns(setting, tmp_path):
    script = tmp_path / "memory.py"
    script.write_text(MEMORY)
    done = command("exec", str(script), *setting)
    assert done.returncode == 0, done.stdout + done.stderr
    check_memory(done.stdout)


def test_the_same_through_the_serial_port(setting):
    board = subprocess.Popen([sys.executable, "-m", "k210sim", "run", *setting],
                             stdout=subprocess.PIPE, text=True)
    try:
        line = board.stdout.readline()
        name = re.match(r"serial port: (\S+)", line)[1]
        with serial.Serial(name, 115200, timeout=30) as port:
            enter_raw(port)
            check_face(run_raw(port, FACE))
            assert run_raw(port, MAPS).splitlines()[-1] == "80 60 16"
            port.write(b"\x04")  # a soft reset: the maps' model goes with its globals
            port.read_until(b"raw REPL; CTRL-B to exit\r\n>")
            check_memory(run_raw(port, MEMORY))
    finally:
        board.terminate()
        assert board.wait(20) == 0


def enter_raw(port) -> None:
    """Interrupt whatever runs and enter the raw prompt, as the usual tools do."""
    prompt = b"raw REPL; CTRL-B to exit\r\n>"
    deadline = time.monotonic() + 30
    seen = b""
    while not seen.endswith(prompt):
        assert time.monotonic() < deadline, seen[-200:]
        port.write(b"\r\x03\x03\r\x01")
        time.sleep(0.3)
        seen += port.read(port.in_waiting)


def run_raw(port, source: str) -> str:
    data = source.encode()
    for at in range(0, len(data), 256):
        port.write(data[at : at + 256])
        time.sleep(0.01)
    port.write(b"\x04")
    assert port.read(2) == b"OK"
    output = port.read_until(b"\x04")[:-1]
    error = port.read_until(b"\x04")[:-1]
    assert port.read(1) == b">"
    assert not error, error
    return output.decode().replace("\r", "")
