"""The second wall: what a confined process can no longer do, tried from inside it."""

from __future__ import annotations

import json
import platform
import struct
import subprocess
import sys

import pytest

from k210sim.cli import confine

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="the confinement of Linux")
FILTERED = pytest.mark.skipif(
    sys.platform != "linux" or platform.machine() not in confine.MACHINES,
    reason="no filter for this machine")


def python(code: str, *arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True,
                          timeout=120)


TRY = """
import json, os, sys, threading
from pathlib import Path
from k210sim.cli.confine import confine
done = confine([], [Path(sys.argv[2])])
def attempt(f):
    try: f()
    except BaseException as e: return type(e).__name__
    return "done"
def all_of_them():
    import socket, ctypes, resource, subprocess
    results["program"] = attempt(lambda: subprocess.run(["true"]))
    results["shell"] = "done" if os.system("true") == 0 else "refused"
    results["socket"] = attempt(socket.socket)
    results["signal"] = attempt(lambda: os.kill(os.getppid(), 0))
    results["symlink"] = attempt(lambda: os.symlink("/etc/passwd", sys.argv[1]))
    results["memory"] = attempt(lambda: bytearray(1 << 40))
    results["limits"] = attempt(lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (4096, 4096)))
    with open(sys.argv[2] + "/big", "wb") as f:
        results["big file"] = attempt(lambda: (f.seek((256 << 20) - 1), f.write(b"xx"), f.flush()))
    results["many files"] = attempt(lambda: [open(os.devnull) for i in range(999)])
    if "only its own folders" in done:
        results["read"] = attempt(lambda: open(sys.argv[1] + ".secret").read())
        results["write"] = attempt(lambda: open(sys.argv[1], "w"))
        results["passwords"] = attempt(lambda: open("/etc/passwd").read())
        results["list"] = attempt(lambda: os.listdir("/"))
        results["remove"] = attempt(lambda: os.remove(sys.argv[1] + ".secret"))
        open(sys.argv[2] + "/mine", "w").write("x")
results = {}
t = threading.Thread(target=all_of_them)
t.start()
t.join()
print(json.dumps([done, results]))
"""


@FILTERED
def test_a_confined_process_is_refused_what_it_does_not_need(tmp_path):
    (tmp_path / "target.secret").write_text("4711")
    (tmp_path / "own").mkdir()
    done = python(TRY, str(tmp_path / "target"), str(tmp_path / "own"))
    assert done.returncode == 0, done.stderr
    words, results = json.loads(done.stdout.splitlines()[-1])
    assert "no new privileges" in words and any("system calls" in w for w in words)
    for name, result in results.items():
        assert result != "done", (name, results)
    assert not (tmp_path / "target").exists()
    assert (tmp_path / "target.secret").read_text() == "4711"


@LINUX
def test_the_process_says_so_to_the_kernel():
    done = python("from k210sim.cli.confine import confine\nconfine()\n"
                  "print(open('/proc/self/status').read())")
    assert "NoNewPrivs:\t1" in done.stdout
    if platform.machine() in confine.MACHINES:
        assert "Seccomp:\t2" in done.stdout


PROGRAM = """
import image, ulab, os, gc
f = open('/flash/a.txt', 'w'); f.write('kept'); f.close()
img = image.Image(size=(32, 32)); img.draw_circle(16, 16, 9); img.save('/flash/a.bmp')
print(open('/flash/a.txt').read(), len(os.listdir('/flash')) > 1, ulab.array([1, 2]))
import lcd, sensor
lcd.init(); sensor.reset(); sensor.set_pixformat(sensor.RGB565); sensor.set_framesize(sensor.QVGA)
lcd.display(sensor.snapshot())
"""


def test_a_board_works_as_ever_in_a_confined_process(tmp_path):
    command = [sys.executable, "-m", "k210sim", "exec", "--flash-image", str(tmp_path / "f.bin"),
               "--lcd-out", str(tmp_path / "lcd.png"), "--report", str(tmp_path / "r.json"), "-c",
               PROGRAM]
    plain = subprocess.run(command, capture_output=True, timeout=120)
    confined = subprocess.run([*command[:4], "--confine", *command[4:]], capture_output=True,
                              timeout=120)
    assert plain.returncode == 0, plain.stderr.decode()
    assert (confined.returncode, confined.stdout) == (0, plain.stdout), confined.stderr.decode()
    assert (tmp_path / "lcd.png").stat().st_size > 100
    assert json.loads((tmp_path / "r.json").read_text())["exit_reason"] == "ok"


@pytest.mark.parametrize("machine", sorted(confine.MACHINES))
def test_the_filter_does_what_the_table_says(machine):
    """A plain reading of the program, instruction by instruction, for every number."""
    arch, column = confine.MACHINES[machine]
    lines = [struct.unpack_from("=HBBI", confine.program(machine), at)
             for at in range(0, len(confine.program(machine)), 8)]

    def judge(number: int, of_arch: int) -> int:
        at = value = 0
        while True:
            code, yes, no, k = lines[at]
            at += 1
            if code == 0x20:
                value = number if k == 0 else of_arch
            elif code == 0x15:
                at += yes if value == k else no
            elif code == 0x35:
                at += yes if value >= k else no
            else:
                return k

    refused = {row[column] for row in confine.REFUSED.values()} - {None}
    for number in range(600):
        want = confine.DENY if number in refused else confine.ALLOW
        assert judge(number, arch) == want, number
    assert judge(1, arch ^ 1) == confine.KILL_PROCESS
    if machine == "x86_64":
        assert judge(confine.X32_BIT + 59, arch) == confine.KILL_PROCESS
    assert confine.program("a machine of another kind") == b""
