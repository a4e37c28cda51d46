"""The second wall: what this process gives up before it runs a guest (docs/isolation.md).

Guest programs cannot name anything of the host; should that ever fail, the operating system still
refuses. On Linux: limits of memory, file size and processor time, no new privileges, no dumps,
and, on x86-64 and AArch64, a seccomp filter that refuses the system calls that start
programs, open connections, trace or signal others, or change the system; where the kernel has
Landlock, no folders but its own. Elsewhere only the limits the platform has.

Confinement is for ever: it holds for the rest of the process.
"""

from __future__ import annotations

import ctypes
import errno
import platform
import struct
import sys
from collections.abc import Iterable
from pathlib import Path

from k210sim.cli import landlock
from k210sim.errors import HostError

MEMORY_BYTES = 6 << 30  # address space beyond what the process has already
FILE_BYTES = 256 << 20
OPEN_FILES = 256

PR_SET_DUMPABLE, PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP = 4, 38, 22
SECCOMP_MODE_FILTER = 2
ALLOW, DENY = 0x7FFF0000, 0x00050000 | errno.EPERM
KILL_PROCESS = 0x80000000

# System calls that a running board never needs. Numbers: the kernel's tables for each machine.
# name: (x86-64, AArch64 or None where it does not exist there)
REFUSED = {
    "execve": (59, 221), "execveat": (322, 281), "fork": (57, None), "vfork": (58, None),
    "socket": (41, 198), "connect": (42, 203), "bind": (49, 200), "listen": (50, 201),
    "accept": (43, 202), "accept4": (288, 242), "ptrace": (101, 117),
    "process_vm_readv": (310, 270), "process_vm_writev": (311, 271), "kill": (62, 129),
    "tkill": (200, 130), "mount": (165, 40), "umount2": (166, 39), "pivot_root": (155, 41),
    "chroot": (161, 51), "unshare": (272, 97), "setns": (308, 268), "init_module": (175, 105),
    "finit_module": (313, 273), "kexec_load": (246, 104), "reboot": (169, 142), "bpf": (321, 280),
    "perf_event_open": (298, 241), "userfaultfd": (323, 282), "keyctl": (250, 219),
    "add_key": (248, 217), "request_key": (249, 218), "setuid": (105, 146), "setgid": (106, 144),
    "symlinkat": (266, 36), "linkat": (265, 37), "symlink": (88, None), "link": (86, None),
    "mknodat": (259, 33), "mknod": (133, None), "io_uring_setup": (425, 425),
    "open_by_handle_at": (304, 265), "pidfd_getfd": (438, 438), "chmod": (90, None),
    "fchmodat": (268, 53), "chown": (92, None), "fchownat": (260, 54),
}
MACHINES = {"x86_64": (0xC000003E, 0), "aarch64": (0xC00000B7, 1)}
X32_BIT = 0x40000000


def confine(readable: Iterable[Path] = (), writable: Iterable[Path] = ()) -> list[str]:
    """Confine this process; returns what was done, in words. HostError if nothing could be.

    readable, writable : files and folders it shall still reach, beside its own program
    """
    writable = list(writable)
    # An SD card's image may be larger than what new files may become.
    largest = max([FILE_BYTES, *(path.stat().st_size for path in writable if path.is_file())])
    done = _limits(largest)
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0:
            done.append("no new privileges")
        if libc.prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0:
            done.append("no dumps, no tracing by others")
        own_readable, own_writable = landlock.program_folders()
        if landlock.restrict([*own_readable, *readable], [*own_writable, *writable]):
            done.append("only its own folders")
        if _filter(libc):
            done.append(f"{len(REFUSED)} system calls refused")
    if not done:
        raise HostError(f"--confine: this platform ({sys.platform}) offers nothing to confine a "
                        "process with; run without it")
    return done


def _limits(largest: int) -> list[str]:
    try:
        import resource
    except ImportError:  # Windows
        return []
    done = []
    wanted = [("RLIMIT_CORE", 0, "no core files"),
              ("RLIMIT_FSIZE", largest, f"files up to {largest >> 20} MiB"),
              ("RLIMIT_NOFILE", OPEN_FILES, f"{OPEN_FILES} open files")]
    if sys.platform == "linux":  # elsewhere the limit is not kept, or counts other things
        most = _address_space() + MEMORY_BYTES
        wanted.append(("RLIMIT_AS", most, f"{most >> 30} GiB of address space"))
    for name, value, words in wanted:
        number = getattr(resource, name, None)
        if number is None:
            continue
        hard = resource.getrlimit(number)[1]
        limit = value if hard == resource.RLIM_INFINITY else min(value, hard)
        try:
            resource.setrlimit(number, (limit, limit))
        except (ValueError, OSError):
            continue
        done.append(words)
    return done


def _address_space() -> int:
    """Bytes of address space in use."""
    with open("/proc/self/statm") as statm:
        import resource

        return int(statm.read().split()[0]) * resource.getpagesize()


def program(machine: str) -> bytes:
    """The filter as the kernel's array of struct sock_filter; b"" for an unknown machine."""
    if machine not in MACHINES:
        return b""
    arch, column = MACHINES[machine]
    numbers = sorted({row[column] for row in REFUSED.values() if row[column] is not None})
    load, equal, at_least, answer = 0x20, 0x15, 0x35, 0x06

    def op(code: int, value: int, yes: int = 0, no: int = 0) -> bytes:
        return struct.pack("=HBBI", code, yes, no, value)

    lines = [op(load, 4), op(equal, arch, 1, 0), op(answer, KILL_PROCESS), op(load, 0)]
    if machine == "x86_64":  # the other numbering of the same calls
        lines += [op(at_least, X32_BIT, 0, 1), op(answer, KILL_PROCESS)]
    for i, number in enumerate(numbers):
        lines.append(op(equal, number, len(numbers) - i, 0))
    lines += [op(answer, ALLOW), op(answer, DENY)]
    return b"".join(lines)


def _filter(libc) -> bool:
    """Install the filter for all threads to come of this one; False where it is not possible."""
    code = program(platform.machine())
    if not code:
        return False
    buffer = ctypes.create_string_buffer(code, len(code))

    class Program(ctypes.Structure):
        _fields_ = [("length", ctypes.c_ushort), ("code", ctypes.c_void_p)]

    wanted = Program(len(code) // 8, ctypes.cast(buffer, ctypes.c_void_p))
    return libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(wanted), 0, 0) == 0
