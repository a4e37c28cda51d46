"""`nes`, the games console in the firmware: its names; it is not simulated."""

from __future__ import annotations

from k210sim.micropython.native import GuestModule
from k210sim.modules.absent import absent_function

module = GuestModule("nes")
for _name in ("init", "load", "loop", "free", "input"):
    module.entries[_name] = absent_function("nes." + _name)
for _name, _value in (("INPUT", 0), ("KEYBOARD", 1), ("JOYSTICK", 2)):
    module.constant(_name, _value)
