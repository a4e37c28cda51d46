"""Addresses from 0 on: they read 0 without a fault.

MaixPy v0.6 follows a null pointer when /flash/config.json is missing and goes on; that the chip
returns readable data there is inferred from boards that boot, not measured. A store there is
reported as not modelled.
"""

from __future__ import annotations

from k210sim.devices.device import Device, Register


class LowMemory(Device):
    NAME = "low memory"
    REGISTERS = (Register(0, "zeros", count=1024, read_only=True),)

    def write(self, offset: int, size: int, value: int) -> None:
        self._unmodelled("write", offset, value)
