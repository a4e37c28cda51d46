"""`modules`: LED chains, ultrasonic ranging and one-wire sensors; names only.

The C sources call the module "modules"; the image also has a Python one of that name.
"""

from __future__ import annotations

from k210sim.micropython.native import GuestModule
from k210sim.modules.absent import absent_type

module = GuestModule("modules")
module.add_type(absent_type("ultrasonic", "modules", "measure", {"UNIT_CM": 0, "UNIT_INCH": 1}))
module.add_type(absent_type(
    "onewire", "modules", "reset readbit readbyte readbuffer writebit writebyte writebuffer "
    "select search skip depower crc8", {"__name__": "onewire"}))
module.add_type(absent_type("ws2812", "modules", "set_led display ws_num"))
