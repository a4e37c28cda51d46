"""`audio.Audio`, also known as `Maix.Audio`: its names; sound is not simulated."""

from __future__ import annotations

from k210sim.modules.absent import absent_type

AudioType = absent_type(
    "Audio", "audio",
    "init __deinit__ to_bytes play_process volume play record_process record finish")
