"""The LCD: the panel's controller chip, and the driver that draws through it."""

from k210sim.lcd.driver import Driver
from k210sim.lcd.panel import Panel, PanelKind

__all__ = ["Driver", "Panel", "PanelKind"]
