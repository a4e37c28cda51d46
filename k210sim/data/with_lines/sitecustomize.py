"""Loaded by every Python that starts under `k210sim with-lines`.

Gives pyserial what the pseudo-terminal of a virtual board lacks: DTR and RTS, which go to the
board over the socket beside the terminal, and lets `serial.Serial` open URLs. Other ports, and
programs without pyserial, are not touched. Uses nothing of k210sim, because the program may run
in an environment of its own, with any Python 3.
"""

import errno
import importlib.machinery
import importlib.util
import os
import socket
import struct
import sys

FOLDER = os.environ.get("K210SIM_LINES", "")
HERE = os.path.dirname(os.path.abspath(__file__))


class Lines:
    """The lines of one open port. Asserted when the port is opened, as a real driver has them."""

    def __init__(self, path, dtr_bit, rts_bit, inputs):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(10)
        self.socket.connect(path)
        self.dtr_bit, self.rts_bit, self.inputs = dtr_bit, rts_bit, inputs
        self.bits = dtr_bit | rts_bit
        self.tell()

    def set(self, bits):
        bits &= self.dtr_bit | self.rts_bit
        if bits != self.bits:
            self.bits = bits
            self.tell()

    def tell(self):
        dtr, rts = int(bool(self.bits & self.dtr_bit)), int(bool(self.bits & self.rts_bit))
        self.socket.sendall(b"lines %d %d\n" % (dtr, rts))
        if self.socket.recv(64) != b"ok\n":
            raise OSError(errno.EIO, "the virtual board does not take its lines")


class Fcntl:
    """Module `fcntl` with an `ioctl` that knows the modem lines of our terminals."""

    def __init__(self, fcntl, termios):
        self._fcntl, self._termios = fcntl, termios
        self._open = {}
        t = termios
        self._requests = (t.TIOCMGET, t.TIOCMSET, t.TIOCMBIS, t.TIOCMBIC)

    def __getattr__(self, name):
        return getattr(self._fcntl, name)

    def ioctl(self, fd, request, *arguments):
        if request not in self._requests:
            return self._fcntl.ioctl(fd, request, *arguments)
        try:
            return self._fcntl.ioctl(fd, request, *arguments)
        except OSError as error:
            lines = self._lines(fd) if error.errno == errno.ENOTTY else None
            if lines is None:
                raise
        value = struct.unpack("I", arguments[0])[0] if arguments else 0
        if request == self._termios.TIOCMGET:
            return struct.pack("I", lines.bits | lines.inputs)
        if request == self._termios.TIOCMBIS:
            value |= lines.bits
        elif request == self._termios.TIOCMBIC:
            value = lines.bits & ~value
        lines.set(value)
        return arguments[0]

    def _lines(self, fd):
        try:
            name = os.ttyname(fd)
        except OSError:
            return None
        if fd not in self._open:
            path = os.path.join(FOLDER, name.strip("/").replace("/", "-") + ".lines")
            if not os.path.exists(path):
                return None
            t = self._termios
            inputs = t.TIOCM_CTS | t.TIOCM_DSR | t.TIOCM_CD
            self._open[fd] = Lines(path, t.TIOCM_DTR, t.TIOCM_RTS, inputs)
        return self._open[fd]

    def forget(self, fd):
        lines = self._open.pop(fd, None)
        if lines is not None:
            lines.socket.close()


def patch_posix(module):
    """serial.serialposix: its `fcntl`, and the end of a port."""
    module.fcntl = shim = Fcntl(module.fcntl, module.termios)
    close = module.Serial.close

    def close_with_lines(self):
        fd = getattr(self, "fd", None)
        close(self)
        shim.forget(fd)

    module.Serial.close = close_with_lines


def patch_package(module):
    """serial: `Serial("rfc2217://...")` opens the URL, as `serial_for_url` does."""
    plain, for_url = module.Serial, module.serial_for_url
    make = plain.__new__

    def new(cls, port=None, *arguments, **options):
        port = options.pop("port", port) if port is None else port
        if cls is plain and isinstance(port, str) and "://" in port:
            return for_url(port, *arguments, **options)
        return make(cls)

    plain.__new__ = staticmethod(new)


PATCHES = {"serial.serialposix": patch_posix, "serial": patch_package}


class Finder:
    """Lets Python find the modules of PATCHES as ever, and changes them once they are loaded."""

    def find_spec(self, name, path=None, target=None):
        if name not in PATCHES:
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        if spec is None or spec.loader is None:
            return spec
        load = spec.loader.exec_module

        def exec_module(module):
            load(module)
            PATCHES[name](module)

        spec.loader.exec_module = exec_module
        return spec


def run_other_sitecustomize():
    """The sitecustomize that ours stands in front of, when the installation has one."""
    others = [place for place in sys.path if os.path.abspath(place or ".") != HERE]
    spec = importlib.machinery.PathFinder.find_spec("sitecustomize", others)
    if spec is not None and spec.loader is not None:
        spec.loader.exec_module(importlib.util.module_from_spec(spec))


if FOLDER:
    sys.meta_path.insert(0, Finder())
run_other_sitecustomize()
