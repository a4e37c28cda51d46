"""The real runtime on a board: programs, console, interrupts, snapshots."""

from __future__ import annotations

import pickle
import random
import time

import pytest

from k210sim import Board, ExecTimeout, NotSimulated
from k210sim.errors import ConfigError, InternalError
from k210sim.flash.factory import put_files
from k210sim.flash.nor import NorFlash


@pytest.fixture
def board():
    with Board() as made:
        yield made


def test_the_board_boots_without_a_word_too_much(board):
    log = board.serial.transcript.decode()
    assert log.startswith("\r\n[MAIXPY] Pll0:freq:806000000\r\n")
    assert "[MaixPy] gc heap=0x802ffd80-0x8037fd80(524288)\r\n[MaixPy] init end\r\n\r\n" in log
    assert log.endswith('Type "help()" for more information.\r\n>>> ')
    assert "Error" not in log


def test_names_after_booting(board):
    out = board.exec("print(sorted(globals()))\nimport sys, os\nprint(sys.path, os.getcwd())")
    assert out.stdout == "['__name__', 'os', 'sys', 'time']\n['', '.', '/flash'] /flash\n"


def test_files_are_there_after_a_reset(board):
    board.exec("f = open('/flash/a.txt', 'w')\nf.write('kept')\nf.close()")
    board.reset()
    assert board.exec("print(open('/flash/a.txt').read())").stdout == "kept\n"


def test_boot_py_and_main_py_run_in_this_order(board):
    board.exec(
        "for name in ('boot', 'main'):\n"
        "    f = open('/flash/%s.py' % name, 'w')\n"
        "    f.write('print(\"this is %s\")\\nfrom_%s = 1' % (name, name))\n"
        "    f.close()\n"
    )
    board.serial.clear()
    board.soft_reset()
    board.expect(rb"this is boot\r\nthis is main\r\nMicroPython v")
    assert board.exec("print(from_boot + from_main)").stdout == "2\n"


def test_a_soft_reset_gives_back_the_stacks_of_threads(board):
    free = []
    for _ in range(3):
        board.exec("import _thread, utime\ndef f():\n    while 1: utime.sleep_ms(1)\n"
                   "for i in range(3): _thread.start_new_thread(f, ())\n")
        board.soft_reset()
        free.append(board.exec("from Maix import utils; print(utils.heap_free())").stdout)
    assert free[0] == free[1] == free[2]


def test_an_error_in_boot_py_is_shown_and_main_py_still_runs(board):
    board.exec(
        "f = open('/flash/boot.py', 'w'); f.write('1/0'); f.close()\n"
        "f = open('/flash/main.py', 'w'); f.write('print(\"main\")'); f.close()\n"
    )
    board.serial.clear()
    board.soft_reset()
    board.expect(
        rb'File "boot.py", line 1, in <module>\r\nZeroDivisionError: divide by zero\r\nmain\r\n'
    )


def test_ctrl_c_while_booting_leaves_the_users_files_alone():
    with Board(clock="real") as board:
        board.exec("f = open('/flash/main.py', 'w'); f.write('print(\"main\")'); f.close()")
        board.serial.clear()
        board.serial.write(b"\x04")
        board.expect(rb"init end\r\n")
        board.serial.write(b"\x03")
        seen = board.expect(rb"^.*KeyboardInterrupt: \r\nMicroPython v.*>>> $").group()
        assert b'File "_boot.py", line' in seen and b"\nmain" not in seen


def test_typing_before_the_board_is_on_is_heard():
    board = Board()
    board.serial.write(b"\r\x03\r\x01")
    with board:
        seen = board.expect(rb"^.*raw REPL; CTRL-B to exit\r\n>$").group()
        assert b"init end\r\nTraceback" in seen
        board.serial.write(b"import os\nprint(os.getcwd())\x04")
        board.expect(rb"OK/flash\r\n\x04\x04>")


def test_a_main_py_that_ends_as_it_is_interrupted_leaves_the_program_alone(board, monkeypatch):
    board.exec("f = open('/flash/main.py', 'w')\n"
               "f.write('try:\\n while True: pass\\nexcept: pass'); f.close()")  # fmt: skip
    board.reset()
    send, sent = board.port.host_send, []

    def late(data: bytes) -> None:
        """The first ends main.py, a second comes when nobody runs any more."""
        send(data)
        while data == b"\x03" and not sent and board.port.running:
            time.sleep(0.001)
        if data == b"\x03" and not sent:
            sent.append(data)
            send(data)

    monkeypatch.setattr(board.port, "host_send", late)
    assert board.exec("print('alive')").stdout == "alive\n"
    assert sent


def test_a_main_py_for_ever_gives_way_to_exec(board):
    board.exec("f = open('/flash/main.py', 'w'); f.write('while True: pass'); f.close()")
    board.reset()
    assert board.exec("print('in')").stdout == "in\n"


@pytest.mark.parametrize(
    "endless",
    [
        "while True: pass",
        "import time\nwhile True: time.sleep(3600)",
        "while True:\n  try:\n    x = [i for i in range(100)]\n  except ValueError: pass",
        "input()",
        "import sys\nsys.stdin.read(1)",
        "def f():\n  while True:\n    for i in range(10**9): pass\nf()",
    ],
)
def test_any_endless_program_stops_at_its_timeout(board, endless):
    started = time.monotonic()
    with pytest.raises(ExecTimeout) as caught:
        board.exec(endless, timeout=0.3)
    assert time.monotonic() - started < 4
    assert "KeyboardInterrupt" in caught.value.result.error
    assert board.exec("print(1)").stdout == "1\n"


def test_a_program_that_will_not_stop_loses_its_power(board, monkeypatch):
    monkeypatch.setattr("k210sim.repl.firmware.STOP_GRACE_S", 1.0)
    program = "while True:\n  try:\n    while True: pass\n  except KeyboardInterrupt: pass"
    with pytest.raises(Exception, match="ignored Ctrl-C"):
        board.exec(program, timeout=0.2)
    assert not board.powered
    board.power_on()
    assert board.exec("print(1)").ok


def test_input_reads_a_line_with_editing(board):
    board.serial.clear()
    board.serial.write(b"name = input('who? ')\r")
    board.expect(rb"who\? $")
    board.serial.write(b"Marx\x7fk\r")
    board.expect(rb">>> ")
    board.serial.write(b"name\r")
    board.expect(rb"'Mark'\r\n")


def test_sys_stdin_reads_what_is_sent(board):
    board.serial.clear()
    board.serial.write(b"import sys; sys.stdin.read(3)\r")
    board.expect(rb"\r\n$")
    board.serial.write(b"xyz")
    board.expect(rb"'xyz'\r\n>>> ")


def test_exit_is_no_error(board):
    result = board.exec("import sys\nprint(1)\nsys.exit(3)\nprint(2)")
    assert (result.stdout, result.ok, result.exit_reason) == ("1\n", True, "system_exit")


def test_a_program_may_reset_the_board(board):
    board.serial.clear()
    result = board.exec("x = 1\nimport machine\nprint('now')\nmachine.reset()\nprint('never')")
    assert (result.stdout, result.ok, result.exit_reason) == ("now\n", True, "reset")
    board.expect(rb"now\r\n\r\n\[MAIXPY\] Pll0:freq.*>>> $")
    assert "NameError" in board.exec("x").error
    board.serial.clear()
    board.serial.write(b"import machine\rmachine.reset()\r")
    board.expect(rb"\[MAIXPY\] Pll0:freq.*>>> $")


def test_a_call_that_is_not_simulated_says_so_and_the_board_lives(board, monkeypatch):
    vm = board._engine.interpreter.vm

    def refuse(*_):
        raise NotSimulated("the frobnicator", "nobody asked for it")

    monkeypatch.setattr(vm, "input_line", refuse)
    result = board.exec("print('a')\ninput()")
    assert result.error == "NotSimulated: the frobnicator is not simulated: nobody asked for it\n"
    assert board.exec("def f(n):\n  return n and n + f(n - 1)\nprint(f(9))").stdout == "45\n"


def test_a_bug_of_ours_is_no_guest_error(board, monkeypatch):
    vm = board._engine.interpreter.vm
    monkeypatch.setattr(vm, "input_line", lambda prompt: [][0])
    with pytest.raises(InternalError, match="IndexError"):
        board.exec("def f(): input()\nf()")
    assert board.exec("print(1)").stdout == "1\n"


def test_equal_programs_take_equal_virtual_time():
    def run():
        with Board(seed=3) as board:
            out = board.exec("x = {}\nfor i in range(3000): x[i] = str(i)\nprint(len(x))")
            return out.virtual_ms, board.clock.now_ns, board.serial.transcript

    assert run() == run()


def test_a_snapshot_brings_back_everything(board):
    board.exec(
        "class A:\n  pass\na = A()\na.x = [1, 2, 3]\ndef f(): return a.x\nimport urandom\n"
        "urandom.seed(4)\nrare_name = 2.5\n"
        "o = open('/flash/s.txt', 'w'); o.write('then'); o.close()"
    )
    board.serial.write(b"rare")
    board.expect(rb"rare$")
    snapshot = pickle.loads(pickle.dumps(board.snapshot()))
    question = "print(urandom.getrandbits(16), a.x, f(), open('/flash/s.txt').read())"
    first = board.exec(question).stdout
    board.exec(
        "a.x.append(4)\ndel rare_name\nclass A: y = 1\nother = [0] * 5000\n"
        "o = open('/flash/s.txt', 'w'); o.write('now'); o.close()"
    )
    board.restore(snapshot)
    assert board.clock.now_ns == snapshot.clock_ns
    assert board.exec(question).stdout == first
    assert "NameError" in board.exec("other").error
    assert board.exec("import gc\ngc.collect()\nprint(a.x, hasattr(A, 'y'))").ok
    with Board() as other:
        other.restore(snapshot)
        assert other.exec(question).stdout == first
        other.serial.clear()
        other.serial.write(b"_name\r")
        other.expect(rb"2\.5\r\n>>> $")


def test_a_snapshot_of_another_version_is_refused(board):
    snapshot = board.snapshot()
    snapshot.engine_state["version"] = 99
    with pytest.raises(ConfigError, match="version 99"):
        board.restore(snapshot)


PIECES = (
    b"\x01", b"\x02", b"\x03", b"\x04", b"\x05", b"\t", b"\r", b"\r", b"\r", b"\x1b[A", b"\x7f",
    b"import os\r", b"x=[1,2,3]\r", b"x.", b"os.", b"def f(a):\r", b"return a\r", b'"""', b"(",
    b")", b"{", b"]", b"\\", b"if 1:\r", b"for i in range(3): print(i)\r\r", b"1/0\r", b"\xff",
    b"\x00", b"@", b"lambda x: x\r", b"input()\r", b"raise ValueError(3)\r", b"try:\r", b"1e400\r",
    b"class A: pass\r\r", b"while True: pass\r\r", b"sys.exit()\r", b"globals()\r",
)  # fmt: skip


def interrupted_or_idle(board):
    """Whether the prompt waits; otherwise a program gets Ctrl-C, after some time to end."""
    for _ in range(10):
        if board.port.idle:
            return True
        time.sleep(0.005)
    board.serial.write(b"\x03")
    return False


@pytest.mark.parametrize("seed", range(3))
def test_any_typing_leaves_a_working_prompt(board, seed):
    fuzz = random.Random(seed)
    for _ in range(60):
        for _ in range(fuzz.randrange(1, 30)):
            random_bytes = fuzz.randbytes(fuzz.randrange(1, 20))
            board.serial.write(fuzz.choice(PIECES) if fuzz.random() < 0.8 else random_bytes)
        assert any(interrupted_or_idle(board) for _ in range(100))
    board.serial.write(b"\r\x03\x02")
    board.expect(rb"for more information.\r\n>>> $")
    board.serial.write(b"20+22\r")
    board.expect(rb"42\r\n>>> ")
    assert b"InternalError" not in board.serial.transcript


def test_host_code_that_does_not_end_is_broken_off_at_power_off(board, monkeypatch):
    monkeypatch.setattr("k210sim.repl.firmware.STOP_GRACE_S", 0.5)

    def endless(prompt):
        while True:
            time.sleep(0.01)

    board._engine.interpreter.vm.input_line = endless
    board.serial.write(b"input()\r")
    board.expect(rb"input\(\)\r\n$")
    started = time.monotonic()
    board.power_off()
    assert time.monotonic() - started < 4 and not board.powered
    board.power_on()
    assert board.exec("print(1)").ok


def test_safe_boots_past_a_bad_boot_py_until_it_is_mended(tmp_path):
    nor = NorFlash()
    put_files(nor, {"/boot.py": b"while True: pass", "/main.py": b"print(1, 2, 3)"})
    image = tmp_path / "flash.bin"
    image.write_bytes(nor.data)
    with Board(image, safe=True) as board:
        assert b"1 2 3" not in board.serial.read()
        board.serial.write(b"open('/flash/boot.py').read()\r")
        board.expect(rb"'while True: pass'\r\n>>> ")
        board.serial.write(b"import os; os.remove('/flash/boot.py')\r\x04")
        board.expect(rb"soft reboot(?s:.*)\r\n1 2 3\r\n(?s:.*)>>> $")
