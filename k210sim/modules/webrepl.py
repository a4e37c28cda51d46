"""`_webrepl`: its names; there is no network to serve the prompt on."""

from __future__ import annotations

from k210sim.micropython.native import GuestModule
from k210sim.modules.absent import absent_function, absent_type

module = GuestModule("_webrepl")
module.add_type(absent_type("_webrepl", "_webrepl", "read readinto write close"))
module.entries["password"] = absent_function("_webrepl.password", 1)
