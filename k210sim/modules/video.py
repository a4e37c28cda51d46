"""`video`: its one name; films are not simulated."""

from __future__ import annotations

from k210sim.micropython.native import GuestModule
from k210sim.modules.absent import absent_function

module = GuestModule("video")
module.entries["open"] = absent_function("video.open", 1)
