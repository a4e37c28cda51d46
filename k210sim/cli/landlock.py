"""Linux's Landlock: this process may from now on reach only some folders (kernel 5.13 and later).

Numbers: the kernel's include/uapi/linux/landlock.h; the same on every machine.
"""

from __future__ import annotations

import ctypes
import os
import stat
import struct
import sys
from collections.abc import Iterable
from pathlib import Path

CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446
ASK_VERSION, PATH_BENEATH = 1, 1
(EXECUTE, WRITE_FILE, READ_FILE, READ_DIR, REMOVE_DIR, REMOVE_FILE, MAKE_CHAR, MAKE_DIR, MAKE_REG,
 MAKE_SOCK, MAKE_FIFO, MAKE_BLOCK, MAKE_SYM, REFER, TRUNCATE) = (1 << n for n in range(15))
EVERYTHING = (1 << 13) - 1  # of the first version
READ = READ_FILE | READ_DIR
CHANGE = READ | WRITE_FILE | REMOVE_FILE | REMOVE_DIR | MAKE_REG | MAKE_DIR | REFER | TRUNCATE
OF_FILES = READ_FILE | WRITE_FILE | TRUNCATE

SYSTEM = ("/usr", "/lib", "/lib64", "/opt", "/nix/store", "/etc/ld.so.cache", "/etc/localtime",
          "/proc/self", "/proc/cpuinfo", "/proc/meminfo", "/proc/stat", "/sys/devices/system",
          "/sys/fs/cgroup", "/dev/urandom", "/dev/random", "/dev/zero")
DEVICES = ("/dev/null", "/dev/tty")


def program_folders() -> tuple[list[Path], list[Path]]:
    """(readable, writable) places the program itself needs: Python, its packages, the cache of
    compiled kernels."""
    import k210sim

    package = Path(k210sim.__file__).parent
    readable = [Path(p) for p in (sys.prefix, sys.base_prefix, *SYSTEM, *filter(None, sys.path))]
    writable = [*package.rglob("__pycache__"), *(Path(d) for d in DEVICES)]
    if "NUMBA_CACHE_DIR" in os.environ:
        writable.append(Path(os.environ["NUMBA_CACHE_DIR"]))
    return [*readable, package], writable


def restrict(readable: Iterable[Path], writable: Iterable[Path]) -> bool:
    """Keep this thread and those it starts to these places; False where the kernel cannot.

    Files that are open stay open. Places that do not exist are left out.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    version = libc.syscall(CREATE_RULESET, None, ctypes.c_size_t(0), ASK_VERSION)
    if version < 1:
        return False
    handled = EVERYTHING | (REFER if version >= 2 else 0) | (TRUNCATE if version >= 3 else 0)
    attributes = struct.pack("=Q", handled)
    rules = libc.syscall(CREATE_RULESET, attributes, ctypes.c_size_t(len(attributes)), 0)
    if rules < 0:
        return False
    try:
        for access, places in ((READ, readable), (CHANGE, writable)):
            for place in places:
                _allow(libc, rules, place, access & handled)
        return libc.syscall(RESTRICT_SELF, rules, 0) == 0
    finally:
        os.close(rules)


def _allow(libc, rules: int, place: Path, access: int) -> None:
    try:
        fd = os.open(place, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    try:
        if not stat.S_ISDIR(os.fstat(fd).st_mode):
            access &= OF_FILES
        libc.syscall(ADD_RULE, rules, PATH_BENEATH, struct.pack("=Qi", access, fd), 0)
    finally:
        os.close(fd)
