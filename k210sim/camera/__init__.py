"""The camera: what it looks at, and the sensor the board talks to.

Names are loaded when first used: the command line must start without the drawing code.
"""

from __future__ import annotations

_WHERE = {
    "Camera": "k210sim.camera.camera",
    "Frame": "k210sim.camera.camera",
    "open_source": "k210sim.camera.sources",
    "SceneSource": "k210sim.camera.sources",
    "render": "k210sim.camera.scene",
}
__all__ = sorted(_WHERE)


def __getattr__(name):
    if name in _WHERE:
        from importlib import import_module

        return getattr(import_module(_WHERE[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
