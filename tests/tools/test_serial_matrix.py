"""The cells of docs/tools.md: unmodified serial tools against boards of `k210sim run`."""

from __future__ import annotations

import hashlib
import os
import pty
import random
import select
import subprocess
import time

import pytest
from tools import K210SIM, good, need, run, served

pytestmark = pytest.mark.tools

LOOP = b"import time\nn = 0\nwhile True:\n    n += 1\n    print('main', n)\n    time.sleep_ms(20)\n"
BINARY = random.Random(4).randbytes(6_000) + bytes(range(256))
TEXT = "print('grüße, 世界 €')\n".encode()


@pytest.fixture
def board(tmp_path):
    with served(tmp_path, "--clock", "max") as made:
        yield made


@pytest.fixture
def files(tmp_path):
    """Local files: empty, text with UTF-8, binary."""
    made = {"empty.bin": b"", "text.py": TEXT, "data.bin": BINARY}
    folder = tmp_path / "local"
    folder.mkdir()
    for name, data in made.items():
        (folder / name).write_bytes(data)
    return {name: folder / name for name in made}


def refused(*command) -> bytes:
    """All the output of a command that must fail."""
    done = run(*command)
    assert done.returncode == 1, (command, done.stdout)
    return done.stdout + done.stderr


def talk(command, typed: list[tuple[bytes, bytes]], seconds=30.0) -> bytes:
    """Run a terminal program on a terminal of its own; type each text once its cue has come."""
    near, far = pty.openpty()
    tool = subprocess.Popen([str(c) for c in command], stdin=far, stdout=far, stderr=far)
    os.close(far)
    end, seen, at = time.monotonic() + seconds, b"", 0
    try:
        for cue, text in typed:
            while cue not in seen[at:]:
                left = end - time.monotonic()
                assert left > 0 and select.select([near], [], [], left)[0], (cue, seen[-400:])
                seen += os.read(near, 4096)
            at = seen.index(cue, at) + len(cue)
            os.write(near, text)
        tool.wait(10)
    finally:
        tool.kill()
        tool.wait()
        os.close(near)
    return seen


# --- mpremote ---------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["pty", "rfc2217", "tcp"])
def test_mpremote(board, files, tmp_path, kind):
    tool = [need("mpremote"), "connect", board.url(kind)]
    assert good(*tool, "exec", "print(6 * 7)") == b"42\r\n"
    assert good(*tool, "eval", "[1, 'ä']") == b"[1, '\\xe4']\r\n"
    assert good(*tool, "run", files["text.py"]) == TEXT[7:-3] + b"\r\n"
    for name, path in files.items():
        good(*tool, "fs", "cp", path, f":{name}")
        back = tmp_path / "back"
        good(*tool, "fs", "cp", f":{name}", back)
        assert back.read_bytes() == path.read_bytes()
    listed = good(*tool, "fs", "ls")
    assert all(name.encode() in listed for name in files)
    assert hashlib.sha256(BINARY).hexdigest().encode() in good(*tool, "fs", "sha256sum",
                                                               ":data.bin")
    assert good(*tool, "fs", "cat", ":text.py").replace(b"\r", b"") == TEXT
    good(*tool, "fs", "rm", ":data.bin")
    assert b"data.bin" not in good(*tool, "fs", "ls")
    good(*tool, "soft-reset")
    good(*tool, "exec", "kept = 5")
    assert good(*tool, "resume", "exec", "print(kept)") == b"5\r\n"
    assert b"NameError" in refused(*tool, "exec", "print(kept)")
    assert b"ZeroDivisionError" in refused(*tool, "exec", "1/0")
    good(*tool, "reset")
    # What the firmware itself cannot do, as on a real board:
    assert b"SPIFFS not support" in refused(*tool, "fs", "mkdir", ":d")
    assert b"no module named 'vfs'" in refused(*tool, "df")
    assert b"no module named 'io'" in refused(*tool, "mount", tmp_path, "exec", "1")


def test_mpremote_repl(board):
    tool = [need("mpremote"), "connect", board.pty, "repl"]
    seen = talk(tool, [(b"Use Ctrl-]", b"\r"), (b">>> ", b"print('42' * 2)\r"), (b"4242", b"\x1d")])
    assert b"4242" in seen


@pytest.mark.slow
def test_mpremote_large_file(board, tmp_path):
    data = random.Random(6).randbytes(200_000)
    (tmp_path / "large.bin").write_bytes(data)
    tool = [need("mpremote"), "connect", board.pty]
    good(*tool, "fs", "cp", tmp_path / "large.bin", ":large.bin", timeout=400)
    digest = hashlib.sha256(data).hexdigest().encode()
    assert digest in good(*tool, "fs", "sha256sum", ":large.bin", timeout=400)


def test_mpremote_killed_in_the_middle(board, tmp_path):
    (tmp_path / "large.bin").write_bytes(random.Random(7).randbytes(100_000))
    tool = [need("mpremote"), "connect", board.pty]
    for moment in (0.5, 1.0, 1.3):
        copying = subprocess.Popen([*tool, "fs", "cp", tmp_path / "large.bin", ":large.bin"],
                                   stdout=subprocess.DEVNULL)
        time.sleep(moment)
        copying.kill()
        copying.wait()
        assert good(*tool, "exec", "print(6 * 7)") == b"42\r\n"
    good(*tool, "fs", "rm", ":large.bin")


@pytest.mark.parametrize("name", ["mpremote", "ampy", "mpfshell"])
def test_a_running_main_is_stopped(tmp_path, files, name):
    need(name)
    with served(tmp_path, main_py=LOOP) as board:
        time.sleep(1.5)  # it prints
        if name == "mpremote":
            out = good(need(name), "connect", board.pty, "exec", "print(6 * 7)")
            assert out == b"42\r\n"
        elif name == "ampy":
            good(need(name), "-p", board.pty, "put", files["text.py"])
            assert good(need(name), "-p", board.pty, "get", "text.py").strip() == TEXT.strip()
        else:
            out = good(need(name), "-n", "-c",
                       f"open {board.pty.removeprefix('/dev/')}; exec print(6*7)")
            assert b"42" in out


# --- ampy -------------------------------------------------------------------------------------


def test_ampy(board, files, tmp_path):
    tool = [need("ampy"), "-p", board.pty]
    assert good(*tool, "run", files["text.py"]).strip() == TEXT[7:-3]
    back = tmp_path / "back"
    for name, path in files.items():
        good(*tool, "put", path)
        good(*tool, "get", name, back)
        assert back.read_bytes() == path.read_bytes()
    assert good(*tool, "ls").split() == [b"/flash"]
    listed = good(*tool, "ls", "/flash")
    assert all(b"/flash/" + name.encode() in listed for name in files)
    good(*tool, "rm", "data.bin")
    assert b"data.bin" not in good(*tool, "ls", "/flash")
    good(*tool, "reset")
    assert b"SPIFFS not support" in refused(*tool, "mkdir", "folder")


@pytest.mark.parametrize("kind", ["rfc2217", "tcp"])
def test_ampy_with_urls(board, files, tmp_path, kind):
    tool = [*K210SIM, "with-lines", "--", need("ampy"), "-p", board.url(kind)]
    good(*tool, "put", files["data.bin"])
    good(*tool, "get", "data.bin", tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == BINARY


# --- rshell -----------------------------------------------------------------------------------


def test_rshell(board, files, tmp_path):
    tool = [need("rshell"), "--quiet", "-p", board.pty]
    for name, path in files.items():
        good(*tool, "cp", path, f"/flash/{name}")
    listed = good(*tool, "ls", "/flash")
    assert all(name.encode() in listed for name in files)
    for name, path in files.items():
        back = tmp_path / "back"
        back.unlink(missing_ok=True)
        good(*tool, "cp", f"/flash/{name}", back)
        assert back.read_bytes() == path.read_bytes()
    assert TEXT.strip() in good(*tool, "cat", "/flash/text.py").replace(b"\r", b"")
    good(*tool, "rm", "/flash/data.bin")
    assert b"data.bin" not in good(*tool, "ls", "/flash")
    assert b"4242" in good(*tool, "repl ~ print('42' * 2) ~")


# --- mpfshell ---------------------------------------------------------------------------------


def test_mpfshell(board, files, tmp_path):
    place = board.pty.removeprefix("/dev/")

    def shell(*commands):
        script = "; ".join([f"open {place}", *commands])
        return good(need("mpfshell"), "-n", "-c", script, cwd=tmp_path / "local")

    assert b"42" in shell("exec print(6*7)")
    for name, path in files.items():
        shell(f"put {name}")
        shell(f"get {name} back-{name}")
        assert (path.parent / f"back-{name}").read_bytes() == path.read_bytes()
    listed = shell("ls")
    assert all(name.encode() in listed for name in files)
    assert TEXT.strip() in shell("cat text.py").replace(b"\r", b"")
    shell("rm data.bin")
    assert b"data.bin" not in shell("ls")


# --- terminals --------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["pty", "rfc2217", "tcp"])
def test_miniterm(board, kind):
    tool = [need("pyserial-miniterm"), "--eol", "CR", board.url(kind), "115200"]
    seen = talk(tool, [(b"Menu:", b"\r"), (b">>> ", b"print('42' * 2)\r"), (b"4242", b"\x1d")])
    assert b"--- exit ---" in seen or b"4242" in seen


def test_picocom(board):
    tool = [need("picocom"), "-b", "115200", board.pty]
    talk(tool, [(b"Terminal ready", b"\r"), (b">>> ", b"print('42' * 2)\r"),
                (b"4242", b"\x01\x18")])


def test_minicom(board):
    tool = [need("minicom"), "-D", board.pty, "-b", "115200"]
    talk(tool, [(b"Welcome to minicom", b"\r"), (b">>> ", b"print('42' * 2)\r"),
                (b"4242", b"\x01q\r")])
