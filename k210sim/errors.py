"""Every error k210sim raises towards its host-side user, branched by whose fault it is.

What the *guest* program raises is a value inside the interpreter and never one of these.
The command line turns them into one line on stderr and an exit code in one place
(`k210sim.cli.main`).
"""

from __future__ import annotations

EXIT_OK = 0
EXIT_GUEST_FAILED = 1
EXIT_USAGE = 2
EXIT_TIMEOUT = 42
EXIT_INTERNAL = 70
EXIT_INTERRUPTED = 130


class K210SimError(Exception):
    """Root of all host-side errors."""

    exit_code = EXIT_USAGE


class HostError(K210SimError):
    """The person or the host is at fault: a bad file, a bad option, a busy port."""


class FormatError(HostError):
    """A file is not what it should be.

    `what` names the kind of file, `offset` (bytes, or None) and `field` say where, `hint` what to
    do.
    """

    what = "file"

    def __init__(self, message: str, *, path=None, offset: int | None = None, field: str = "",
                 hint: str = ""):
        self.path, self.offset, self.field = path, offset, field
        where = f" {path}" if path is not None else ""
        at = f" at offset 0x{offset:08x}" if offset is not None else ""
        of = f" ({field})" if field else ""
        then = f"; {hint}" if hint else ""
        super().__init__(f"{self.what}{where}: {message}{at}{of}{then}")


class KfpkgError(FormatError):
    what = "kfpkg"


class KmodelError(FormatError):
    what = "kmodel"


class SpiffsError(FormatError):
    what = "SPIFFS volume"


class ConfigError(HostError):
    """An option or setting has a value that cannot be used."""


class FlashError(HostError):
    """A flash operation outside the chip or against its alignment rules."""


class TimeoutExpired(K210SimError):
    """The guest did not get there in time."""

    exit_code = EXIT_TIMEOUT


class DeviceError(K210SimError):
    """The simulated hardware refused, in strict mode only."""


class NotSimulated(K210SimError):
    """A call reached a part of the board that is not simulated; the message names the call."""

    def __init__(self, call: str, why: str = ""):
        super().__init__(f"{call} is not simulated" + (f": {why}" if why else ""))


class BootRefused(K210SimError):
    """The boot ROM would start nothing of what is in flash, and stay in its ISP mode."""


class GivenUp(K210SimError):
    """What took long is not wanted any more: the board goes off."""


class InternalError(K210SimError):
    """Our own bug."""

    exit_code = EXIT_INTERNAL
