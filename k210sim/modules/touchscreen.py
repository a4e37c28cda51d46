"""`touchscreen`: its names; no touch panel is simulated."""

from __future__ import annotations

from k210sim.micropython.native import GuestModule
from k210sim.modules.absent import absent_function

module = GuestModule("touchscreen")
for _name in ("init", "__del__", "read", "calibrate"):
    module.entries[_name] = absent_function("touchscreen." + _name)
for _name, _value in (("STATUS_IDLE", 0), ("STATUS_RELEASE", 1), ("STATUS_PRESS", 2),
                      ("STATUS_MOVE", 3), ("NS2009", 0), ("FT62XX", 1)):
    module.constant(_name, _value)
