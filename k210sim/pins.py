"""The chip's pads: which function each has, what levels they carry, and who is told of edges.

Numbers are those of the firmware: 48 pads; GPIO ids 0..31 are the high-speed bank (GPIOHS),
32..39 the plain one; function numbers as FPIOA has them. A pad that nothing drives reads what its
pull says, and 0 without a pull (on the chip the level is then undefined).
"""

from __future__ import annotations

from collections.abc import Callable

N_PADS = 48
N_GPIO = 40
N_GPIOHS = 32
RESV0 = 120
N_FUNCTIONS = 256
FUNC_GPIOHS0, FUNC_GPIO0 = 24, 56
FUNC_UARTHS_RX, FUNC_UARTHS_TX = 18, 19
UARTHS_PADS = {4: FUNC_UARTHS_RX, 5: FUNC_UARTHS_TX}

INPUT, PULL_DOWN, PULL_UP, OUTPUT = 0, 1, 2, 3
NO_EDGE, FALLING, RISING, BOTH = 0, 1, 2, 3

Edge = Callable[[int], None]


def gpio_function(gpio: int) -> int:
    """The pad function of a GPIO id."""
    return FUNC_GPIOHS0 + gpio if gpio < N_GPIOHS else FUNC_GPIO0 + gpio - N_GPIOHS


class Pins:
    """State of all pads and GPIO units. `on_edge(gpio)` is told of the edges asked for."""

    def __init__(self):
        self.on_edge: Edge | None = None
        self.functions = [RESV0] * N_PADS
        for pad, function in UARTHS_PADS.items():
            self.functions[pad] = function
        self.driven: list[int | None] = [None] * N_PADS
        self.modes = [INPUT] * N_GPIO
        self.outputs = [0] * N_GPIO
        self.triggers = [NO_EDGE] * N_GPIO
        self._seen = [0] * N_GPIO

    # --- the pin matrix ---------------------------------------------------------------------
    def set_function(self, pad: int, function: int) -> bool:
        """Give a pad a function; another pad that has it loses it. False where that cannot be."""
        if not (0 <= pad < N_PADS and 0 <= function < N_FUNCTIONS):
            return False
        if function != RESV0:
            for other, current in enumerate(self.functions):
                if current == function and other != pad:
                    self.functions[other] = RESV0
        self.functions[pad] = function
        self._look()
        return True

    def pad_of(self, function: int) -> int:
        """The first pad that has a function, or -1."""
        return self.functions.index(function) if function in self.functions else -1

    # --- from the outside ----------------------------------------------------------------------
    def drive(self, pad: int, level: int | None) -> None:
        """Put a level on a pad from outside; None lets go of it."""
        if not 0 <= pad < N_PADS:
            raise ValueError(f"pad {pad}: expected 0..{N_PADS - 1}")
        self.driven[pad] = None if level is None else int(bool(level))
        self._look()

    def level(self, pad: int) -> int:
        """What a probe on the pad would see."""
        function = self.functions[pad]
        for gpio in range(N_GPIO):
            if gpio_function(gpio) == function:
                return self._level(gpio, pad)
        return self.driven[pad] or 0

    # --- GPIO units ------------------------------------------------------------------------------
    def set_mode(self, gpio: int, mode: int) -> None:
        self.modes[gpio] = mode
        self._look()

    def write(self, gpio: int, level: int) -> None:
        self.outputs[gpio] = int(bool(level))
        self._look()

    def read(self, gpio: int) -> int:
        """The level at the pad of a GPIO unit; its own output where it has no pad."""
        return self._level(gpio, self.pad_of(gpio_function(gpio)))

    def set_trigger(self, gpio: int, trigger: int) -> None:
        """Edges to be told of from now on."""
        self.triggers[gpio] = trigger
        self._seen[gpio] = self.read(gpio)

    def _level(self, gpio: int, pad: int) -> int:
        mode = self.modes[gpio]
        if mode == OUTPUT:
            return self.outputs[gpio]
        outside = self.driven[pad] if pad >= 0 else None
        return int(mode == PULL_UP) if outside is None else outside

    def _look(self) -> None:
        """Tell of edges since the last look."""
        for gpio, trigger in enumerate(self.triggers):
            if trigger == NO_EDGE:
                continue
            level, before = self.read(gpio), self._seen[gpio]
            self._seen[gpio] = level
            edge = NO_EDGE if level == before else RISING if level else FALLING
            if edge & trigger and self.on_edge is not None:
                self.on_edge(gpio)
