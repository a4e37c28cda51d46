"""`audio`: its one name; sound is not simulated."""

from __future__ import annotations

from k210sim.micropython.native import GuestModule
from k210sim.modules.sound import AudioType

module = GuestModule("audio")
module.add_type(AudioType)
