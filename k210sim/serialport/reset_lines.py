"""The host's side: brings a board on a port into ISP mode or back, by button or by DTR and RTS."""

from __future__ import annotations

import time

from k210sim.errors import ConfigError, HostError
from k210sim.serialport.opening import open_port
from k210sim.serialport.reset_circuit import DTR_IS_RESET, RTS_IS_RESET

STEP_S = 0.1


def enter(port: str, *, isp: bool, circuit: str = "dan") -> None:
    """Reset the board on `port` (a path or an rfc2217:// URL).

    Raises HostError when the port cannot be opened or has no lines.
    """
    from k210sim.serialport import control

    socket = None if "://" in port else control.find(port)
    if socket is not None:
        control.ask(socket, "isp" if isp else "reset")
        return
    with open_port(port) as line:
        toggle(line, isp=isp, circuit=circuit)


def toggle(line, *, isp: bool, circuit: str = "dan") -> None:
    """kflash's steps on an open pyserial port. Raises ConfigError, HostError."""
    if circuit not in RTS_IS_RESET + DTR_IS_RESET:
        known = ", ".join(RTS_IS_RESET + DTR_IS_RESET)
        raise ConfigError(f"--circuit {circuit!r}: expected one of {known}")
    reset, boot = ("rts", "dtr") if circuit in RTS_IS_RESET else ("dtr", "rts")
    if line.name and str(line.name).startswith("socket://"):
        raise HostError(f"{line.name}: a raw socket has no DTR and RTS; use rfc2217://")
    try:
        # Reset is let go before the boot pin is pulled or after it, depending on which of the
        # two RTS is; the circuits allow both.
        setattr(line, boot, False)
        setattr(line, reset, False)
        time.sleep(STEP_S)
        setattr(line, reset, True)
        time.sleep(STEP_S)
        if isp and reset == "dtr":
            setattr(line, boot, True)
            setattr(line, reset, False)
        else:
            setattr(line, reset, False)
            setattr(line, boot, isp)
        time.sleep(STEP_S)
        if isp:
            setattr(line, boot, False)
    except OSError as error:
        raise HostError(
            f"{line.name}: has no DTR and RTS ({error.strerror or error}); a board of "
            "`k210sim run` on this machine is found by its terminal"
        ) from error
