"""Every text the firmware prints by itself, byte for byte.

Ref: MaixPy-v1 v0.6.3 (port/src/maixpy_main.c, port/builtin_py/_boot.py, help text), and
recorded sessions of that firmware. Lines that the firmware ends with a bare newline have one here;
the port makes CR LF of it.
"""

from __future__ import annotations

from dataclasses import dataclass

MACHINE = "Sipeed_M1 with kendryte-k210"

PROMPT = b">>> "
CONTINUATION_PROMPT = b"... "
PASTE_PROMPT = b"=== "
RAW_BANNER = b"raw REPL; CTRL-B to exit\r\n"
RAW_PROMPT = b">"
RAW_ACCEPTED = b"OK"
END_OF_OUTPUT = b"\x04"
PASTE_BANNER = b"\r\npaste mode; Ctrl-C to cancel, Ctrl-D to finish\r\n"
SOFT_REBOOT = b"[MaixPy]: soft reboot\r\n"
INIT_END = "[MaixPy] init end"

# Printed by the start-up script; the letters spell the firmware's name.
ART = r"""
 __  __              _____  __   __  _____   __     __
|  \/  |     /\     |_   _| \ \ / / |  __ \  \ \   / /
| \  / |    /  \      | |    \ V /  | |__) |  \ \_/ /
| |\/| |   / /\ \     | |     > <   |  ___/    \   /
| |  | |  / ____ \   _| |_   / . \  | |         | |
|_|  |_| /_/    \_\ |_____| /_/ \_\ |_|         |_|

Official Site : https://www.sipeed.com
Wiki          : https://wiki.sipeed.com/maixpy
"""

@dataclass(frozen=True)
class Release:
    """The firmware release that is imitated."""

    version: str = "v0.6.3"
    date: str = "2024-05-30"

    def banner(self) -> bytes:
        """What the friendly prompt greets with."""
        return (
            f"MicroPython {self.version} on {self.date}; {MACHINE}\r\n"
            'Type "help()" for more information.\r\n'
        ).encode()


@dataclass(frozen=True)
class Frequencies:
    """Clock rates in hertz as the boot log prints them: what the PLLs make of the set values."""

    pll0: int = 806_000_000
    pll1: int = 398_666_666
    pll2: int = 45_066_666
    cpu: int = 403_000_000
    kpu: int = 398_666_666


def cold_boot_log(frequencies: Frequencies, manufacturer: int, device: int) -> bytes:
    """The lines of the chip and its flash, only after power-on or a system reset.

    manufacturer, device : the two bytes of the flash chip's answer to command 0x90
    """
    return (
        "\r\n"
        f"[MAIXPY] Pll0:freq:{frequencies.pll0}\r\n"
        f"[MAIXPY] Pll1:freq:{frequencies.pll1}\r\n"
        f"[MAIXPY] Pll2:freq:{frequencies.pll2}\r\n"
        f"[MAIXPY] cpu:freq:{frequencies.cpu}\r\n"
        f"[MAIXPY] kpu:freq:{frequencies.kpu}\r\n"
        f"[MAIXPY] Flash:0x{manufacturer:02x}:0x{device:02x}\r\n"
    ).encode()


def heap_line(start: int, size: int) -> bytes:
    """Where the GC heap lies; printed after every kind of reset."""
    return f"[MaixPy] gc heap=0x{start:x}-0x{start + size:x}({size})\r\n".encode()
