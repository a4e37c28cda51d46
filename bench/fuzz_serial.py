"""Random input on a board's serial port: prompt, raw prompt and ISP mode.

    python -m bench.fuzz_serial --inputs 200000 --seed 1

An input is up to some forty bytes: key strokes, pieces of programs, broken packets, noise. After
every BATCH inputs the board must answer a plain question. Prints how many were sent and how far
memory grew; stops with an error at the first crash, hang or growth without end.
"""

from __future__ import annotations

import argparse
import random
import sys
import time

from k210sim import Board
from k210sim.flash import isp, slip

BATCH = 50
ANSWER_S = 60.0
GROWTH_LIMIT = 64 << 20  # bytes, after the first tenth of the inputs

PIECES = [
    b"print(1)", b"x=", b"[1,2,3]", b"def f():\r", b"    return 1\r", b"\r\r\r",
    b"for i in range(3):",
    b"import os", b"os.listdir()", b"'\\x", b'"""', b"(((", b")))", b"{1:2}", b"lambda:", b"1/0",
    b"try:\r", b"open('f','w')", b"class A:\r", b"'a'*1000", b"\xc3\xa9", b"\xff\xfe", b"help()",
    b"dir()", b"input()", b"while 1:pass\r", b"raise SystemExit", b"import gc;gc.collect()", b"_",
]  # fmt: skip
KEYS = [b"\x01", b"\x02", b"\x03", b"\x05", b"\x04", b"\r", b"\n", b"\t", b"\x7f", b"\x08",
        b"\x1b[A", b"\x1b[B", b"\x1b[C", b"\x1b[D", b"\x1b[1~", b"\x1b[", b"\x1b", b"\x0b", b"\x15",
        b"\x10", b"\x0e", b"\x00"]  # fmt: skip
KEY_WEIGHTS = [4, 4, 4, 2, 0.2] + [8, 4] + [2] * 15


def typed(rng: random.Random) -> bytes:
    """Something for the prompts."""
    kind = rng.random()
    if kind < 0.15:
        return rng.randbytes(rng.randrange(1, 40)).replace(b"\x04", b"")
    parts = [
        rng.choice(PIECES) if rng.random() < 0.5 else rng.choices(KEYS, KEY_WEIGHTS)[0]
        for _ in range(rng.randrange(1, 6))
    ]
    if kind < 0.25:
        parts.insert(0, b"\x01")
        parts.append(b"\x04\x02")
    return b"".join(parts)


def packet(rng: random.Random) -> bytes:
    """Something for the ISP protocol, from well-formed to noise."""
    kind = rng.random()
    if kind < 0.15:
        return rng.randbytes(rng.randrange(1, 60))
    opcode = rng.randrange(0xC0, 0xDC)
    if kind < 0.4:
        frame = slip.encode(bytes([opcode]) + bytes(12))
    else:
        from k210sim.flash.isp_host import _request

        address = rng.choice([0, 1, 0x80000000, 0x80000000 + rng.randrange(1 << 16), 0x300000,
                              0xFFFFFF, rng.getrandbits(32)])  # fmt: skip
        data = rng.randbytes(rng.randrange(30))
        length = rng.choice([None, 0, 4, 4096, rng.getrandbits(32)])
        frame = slip.encode(_request(opcode, address, data, length))
    if kind < 0.7:
        return frame
    broken = bytearray(frame)
    broken[rng.randrange(len(broken))] = rng.choice([0xC0, 0xDB, 0, rng.randrange(256)])
    return bytes(broken[: rng.randrange(1, len(broken) + 1)])


def ask_prompt(board: Board, number: int) -> None:
    """Back to the friendly prompt, whatever state it is in, and one sum."""
    board.serial.clear()
    answer = b"%d\r\n>>> " % (number * 3 + 1)
    end = time.monotonic() + ANSWER_S
    while time.monotonic() < end:
        board.serial.write(b"\x03\x03\r\x02\x03%d*3+1\r" % number)
        try:
            board.expect(answer, timeout=0.5)
            return
        except Exception:
            board.raise_failure()
    raise SystemExit(f"no answer at the prompt: {board.serial.last(300)!r}")


def ask_isp(board: Board) -> None:
    """One greeting of the stage it is in; back into ISP mode when it was told to reboot."""
    end = time.monotonic() + ANSWER_S
    while time.monotonic() < end:
        board.raise_failure()
        if not board.in_isp or board._engine.isp.stage not in ("rom", "stub"):
            board.reset(isp=True)
        greeting = isp.GREETING if board._engine.isp.stage == "rom" else isp.STUB_GREETING
        board.serial.clear()
        # A first END closes a frame that was left open.
        board.serial.write(b"\xc0" + slip.encode(bytes([greeting]) + bytes(12)))
        try:
            board.expect(bytes([0xC0, greeting, isp.OK, 0xC0]), timeout=0.5)
            return
        except Exception:
            continue
    raise SystemExit("no answer in ISP mode")


def memory() -> int:
    """Bytes of this process in main memory."""
    try:
        import os

        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def fuzz(mode: str, inputs: int, seed: int, say=lambda text: None) -> int:
    """Send `inputs` random inputs in `mode` (`prompt` or `isp`); returns bytes of growth."""
    rng = random.Random(seed)
    make, before = (typed, None) if mode == "prompt" else (packet, None)
    with Board(clock="max", boot="isp" if mode == "isp" else "flash") as board:
        for number in range(0, inputs, BATCH):
            for _ in range(min(BATCH, inputs - number)):
                board.serial.write(make(rng))
                if mode == "isp" and rng.random() < 0.002:
                    board.reset(isp=True)
            if mode == "prompt":
                ask_prompt(board, number)
            else:
                ask_isp(board)
            if before is None and number >= inputs // 10:
                before = memory()
            if number % 10_000 == 0:
                say(f"{mode}: {number} inputs, {memory() >> 20} MiB")
        growth = memory() - (before or memory())
    if growth > GROWTH_LIMIT:
        raise SystemExit(f"{mode}: memory grew by {growth >> 20} MiB over {inputs} inputs")
    return growth


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument("--inputs", type=int, default=200_000, help="in all (default: 200000)")
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--mode", choices=["prompt", "isp"], help="only this one")
    given = options.parse_args()
    modes = [given.mode] if given.mode else ["prompt", "isp"]
    started = time.monotonic()
    for mode in modes:
        count = given.inputs // len(modes)
        growth = fuzz(mode, count, given.seed, lambda text: print(text, file=sys.stderr))
        print(f"{mode}: {count} inputs, memory grew by {growth / (1 << 20):.1f} MiB")
    print(f"{time.monotonic() - started:.0f} s")


if __name__ == "__main__":
    main()
