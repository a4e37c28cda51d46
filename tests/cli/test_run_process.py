"""The `k210sim` command as a user runs it: processes, exit codes, signals, the real runtime."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time

import pytest

from k210sim.testing.expect import PortClient

K210SIM = [sys.executable, "-m", "k210sim.cli.main"]


@pytest.fixture
def environment(tmp_path):
    import os

    return {**os.environ, "K210SIM_FLASH": str(tmp_path / "flash.bin")}


@pytest.fixture
def k210sim(environment, tmp_path):
    def run(*arguments, timeout=60, **options):
        return subprocess.run(
            [*K210SIM, *map(str, arguments)],
            capture_output=True, timeout=timeout, env=environment, cwd=tmp_path, **options,
        )  # fmt: skip

    return run


def hear_ctrl_c():
    """A shell's job in the background ignores Ctrl-C, and what it starts would too."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.fixture
def running(environment, tmp_path):
    """Start `k210sim run`; gives the process and the name of its port."""
    processes = []

    def start(*arguments):
        process = subprocess.Popen(
            [*K210SIM, "run", *map(str, arguments)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment, cwd=tmp_path,
            preexec_fn=hear_ctrl_c,
        )  # fmt: skip
        processes.append(process)
        line = process.stdout.readline().decode()
        found = re.fullmatch(r"serial port: (/dev/pts/\d+)\n", line)
        assert found, line + process.stderr.read().decode()
        return process, found.group(1)

    yield start
    for process in processes:
        process.kill()
        process.wait()
        process.stdout.close()
        process.stderr.close()


def test_exec_of_code(k210sim):
    done = k210sim("exec", "-c", "print(40 + 2)")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"42\r\n", b"")


def test_exec_of_a_failing_script(k210sim, tmp_path):
    (tmp_path / "bad.py").write_text("print('so far')\n1/0\n")
    done = k210sim("exec", "bad.py")
    assert done.returncode == 1
    assert done.stdout == (
        b'so far\r\nTraceback (most recent call last):\r\n  File "<stdin>", line 2, in <module>\r\n'
        b"ZeroDivisionError: divide by zero\r\n"
    )


def test_exec_timeout(k210sim):
    started = time.monotonic()
    done = k210sim("exec", "--timeout", "1", "-c", "while True: pass")
    assert done.returncode == 42
    assert time.monotonic() - started < 15
    assert done.stderr.count(b"\n") == 1


@pytest.mark.parametrize(
    "arguments", [("exec",), ("exec", "no-such-script.py"), ("exec", "-c", "1", "--clock", "x")]
)
def test_wrong_use_is_one_line_and_exit_code_2(k210sim, arguments):
    done = k210sim(*arguments)
    assert (done.returncode, done.stdout, done.stderr.count(b"\n")) == (2, b"", 1)


def test_exec_into_a_pipe_that_closes(environment, tmp_path):
    process = subprocess.Popen(
        [*K210SIM, "exec", "-c", "while True: print('x' * 80)"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment, cwd=tmp_path,
    )  # fmt: skip
    assert process.stdout.read(100).startswith(b"xxx")
    process.stdout.close()
    assert process.wait(20) == 0
    assert process.stderr.read() == b""
    process.stderr.close()


def test_exec_report(k210sim, tmp_path):
    done = k210sim("exec", "--report", "r.json", "-c", "import time; time.sleep_ms(50)")
    assert done.returncode == 0, done
    facts = json.loads((tmp_path / "r.json").read_text())
    assert facts["exit_reason"] == "ok"
    assert 50 <= facts["virtual_ms"] < 60
    assert 1000 < facts["gc_heap_peak_bytes"] < 524288 < facts["system_heap_peak_bytes"]
    assert facts["kpu_runs"] == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_run_serves_pyserial_and_saves_at_a_signal(running, number):
    process, name = running("--board", "bit")
    with PortClient(name) as port:
        port.write(b"\x03")  # the factory board runs its demo
        port.expect(rb">>> $", timeout=30)
        port.write(b"f = open('/flash/note.txt', 'w'); f.write('kept'); f.close()\r")
        port.expect(rb">>> $")
    process.send_signal(number)
    assert process.wait(10) == 0
    process, name = running()
    with PortClient(name) as port:
        port.write(b"\x03")
        port.expect(rb">>> $", timeout=30)
        port.write(b"open('/flash/note.txt').read()\r")
        port.expect(rb"'kept'\r\n>>> $")
    process.send_signal(signal.SIGINT)
    assert process.wait(10) == 0


def test_run_for_some_seconds(k210sim):
    done = k210sim("run", "--exit-after", "1", "--tcp", ":0", timeout=120)
    assert done.returncode == 0
    assert b"serial port: /dev/pts/" in done.stdout and b"tcp: socket://127.0.0.1:" in done.stdout


def test_two_boards_do_not_share_a_flash_image(running, k210sim):
    running()
    done = k210sim("exec", "-c", "1")
    assert (done.returncode, done.stderr.count(b"\n")) == (2, 1)
    assert b"flash.bin" in done.stderr


def test_repl_in_a_terminal(environment, tmp_path):
    import os
    import pty
    import select

    keyboard, far = pty.openpty()
    process = subprocess.Popen(
        [*K210SIM, "repl", "--flash-image", "board.bin"],
        stdin=far, stdout=far, stderr=subprocess.PIPE, env=environment, cwd=tmp_path,
    )  # fmt: skip

    def until(pattern, seconds=60):
        seen, end = b"", time.monotonic() + seconds
        while not re.search(pattern, seen) and time.monotonic() < end:
            if select.select([keyboard], [], [], 0.1)[0]:
                seen += os.read(keyboard, 4096)
        assert re.search(pattern, seen), seen
        return seen

    until(rb"init end\r\n")
    os.write(keyboard, b"\x03")  # before boot.py and main.py, the demo
    until(rb">>> $")
    os.write(keyboard, b"6*7\r")
    until(rb"6\*7\r\n42\r\n>>> $")
    os.write(keyboard, b"\x1d")
    assert process.wait(20) == 0
    assert (tmp_path / "board.bin").stat().st_size == 16 << 20
    process.stderr.close()
    os.close(keyboard)
    os.close(far)


def test_repl_without_a_terminal_runs_the_demo(k210sim, tmp_path):
    from PIL import Image

    done = k210sim("repl", "--factory-demo", stdin=subprocess.DEVNULL, timeout=180)
    assert done.returncode == 0, done.stderr
    assert b"looking for circle" in done.stdout
    where = re.search(rb"LCD picture: (.+)\n$", done.stdout).group(1).decode()
    colours = Image.open(where).getcolors(100_000)
    assert len(colours) > 50
