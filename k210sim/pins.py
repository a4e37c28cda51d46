"""The chip's pads: which function each has, what levels they carry, and who is told of edges.

Numbers are those of the firmware: 48 pads; GPIO ids 0..31 are the high-speed bank (GPIOHS),
32..39 the plain one; function numbers as FPIOA has them. A pad that nothing drives reads what its
pull says. Without a pull it reads the level that registers last put out on it, as its charge lasts
a while on the chip (here for ever), and 0 before that.
"""

from __future__ import annotations

from collections.abc import Callable

from k210sim.saving import Saved

N_PADS = 48
N_GPIO = 40
N_GPIOHS = 32
RESV0 = 120
N_FUNCTIONS = 256
FUNC_GPIOHS0, FUNC_GPIO0 = 24, 56
FUNC_UARTHS_RX, FUNC_UARTHS_TX = 18, 19
BOOT_PAD = 16  # the boot key to ground, pulled up on the boards: not pressed
UARTHS_PADS = {4: FUNC_UARTHS_RX, 5: FUNC_UARTHS_TX}

INPUT, PULL_DOWN, PULL_UP, OUTPUT = 0, 1, 2, 3
# how a pad is wired to its function: bits of FPIOA's io registers
OUT_ENABLE, OUT_ENABLE_INVERTED, OUT_TELLS_ENABLE, OUT_INVERTED = (1 << n for n in range(12, 16))
IN_ENABLE, IN_ENABLE_INVERTED, IN_INVERTED = (1 << n for n in range(20, 23))
STRAIGHT = OUT_ENABLE | IN_ENABLE
NO_EDGE, FALLING, RISING, BOTH = 0, 1, 2, 3

Edge = Callable[[int], None]


def gpio_function(gpio: int) -> int:
    """The pad function of a GPIO id."""
    return FUNC_GPIOHS0 + gpio if gpio < N_GPIOHS else FUNC_GPIO0 + gpio - N_GPIOHS


class Pins(Saved):
    """State of all pads and GPIO units.

    on_edge(gpio) : is told of the edges asked for. listeners : called after each change of a
    level, a mode or a function. sources[function]() : the level now of an output that is no GPIO's.
    ties[function] : the level that a unit of GPIO reads whatever its pad has. wires : pairs of pads
    that are joined outside of the chip
    """

    NOT_SAVED = frozenset({"wires"})

    def __init__(self):
        self.on_edge: Edge | None = None
        self.listeners: list[Callable[[], None]] = []
        self.functions = [RESV0] * N_PADS
        for pad, function in UARTHS_PADS.items():
            self.functions[pad] = function
        self.driven: list[int | None] = [None] * N_PADS
        self.driven[BOOT_PAD] = 1
        self.sources: dict[int, Callable[[], int]] = {}
        self.ties: dict[int, int] = {}
        self.wiring = [STRAIGHT] * N_PADS
        self.pulls = [INPUT] * N_PADS  # of pads themselves, besides those of a GPIO's mode
        self.held = [0] * N_PADS  # levels of pads that registers have let go of
        self.modes = [INPUT] * N_GPIO
        self.outputs = [0] * N_GPIO
        self.triggers = [NO_EDGE] * N_GPIO
        self._seen = [0] * N_GPIO
        self._banks: dict[int, tuple[int, int]] = {}  # what was last written to each
        self.wires: list[tuple[int, int]] = []

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

    def connect(self, pad: int, function: int, pull: int = INPUT, wiring: int = STRAIGHT) -> None:
        """Give a pad a function and a pull, as the registers do: several may have the same."""
        self.functions[pad], self.pulls[pad], self.wiring[pad] = function, pull, wiring
        self._look()

    def tie(self, ties: dict[int, int]) -> None:
        """Let these functions read a level of their own instead of a pad's."""
        self.ties = ties
        self._look()

    def pad_of(self, function: int) -> int:
        """The first pad that has a function, or -1."""
        return self.functions.index(function) if function in self.functions else -1

    # --- from the outside ----------------------------------------------------------------------
    def wire(self, a: int, b: int) -> None:
        """Join two pads with a wire."""
        for pad in (a, b):
            if not 0 <= pad < N_PADS:
                raise ValueError(f"pad {pad}: expected 0..{N_PADS - 1}")
        if a == b:
            raise ValueError(f"a wire from pad {a} to itself: expected two pads")
        self.wires.append((a, b))
        self._look()

    def joined(self, pad: int) -> list[int]:
        """The other pads that wires lead to from one, near ones first."""
        found = [pad]
        for here in found:
            for a, b in self.wires:
                there = b if a == here else a if b == here else here
                if there not in found:
                    found.append(there)
        return found[1:]

    def are_joined(self, function: int, other: int) -> bool:
        """Whether the pads of two functions are wired to each other."""
        one, two = self.pad_of(function), self.pad_of(other)
        return one >= 0 and two in self.joined(one)

    def drive(self, pad: int, level: int | None) -> None:
        """Put a level on a pad from outside; None lets go of it."""
        if not 0 <= pad < N_PADS:
            raise ValueError(f"pad {pad}: expected 0..{N_PADS - 1}")
        self.driven[pad] = None if level is None else int(bool(level))
        self._look()

    def level(self, pad: int) -> int:
        """What a probe on the pad would see."""
        put, pulled_up = self._unit(pad)
        if put is None and self.wires:
            return self._level_on_wires(pad, pulled_up)
        if put is not None:
            return put
        return 1 if pulled_up else self._outside(pad)

    def _level_on_wires(self, pad: int, pulled_up: bool) -> int:
        """Of a pad that its own unit does not drive: any of those joined with it may."""
        pads = [pad, *self.joined(pad)]
        for other in pads[1:]:
            put, up = self._unit(other)
            if put is not None:
                return put
            pulled_up |= up
        for other in pads:
            if self.driven[other] is not None:
                return self.driven[other]
        if pulled_up:
            return 1
        decided = (p for p in pads if self.pulls[p] != INPUT)
        return self._outside(next(decided, pad))

    def _unit(self, pad: int) -> tuple[int | None, bool]:
        """(level that the pad's own unit puts on it or None, whether it pulls it up)"""
        gpio = self.functions[pad] - FUNC_GPIOHS0  # both banks lie one behind the other
        if 0 <= gpio < N_GPIO:
            put = self._put_out(pad, self.outputs[gpio], self.modes[gpio] == OUTPUT)
            pulled_up = self.modes[gpio] == PULL_UP and self.driven[pad] is None
        else:
            source, pulled_up = self.sources.get(self.functions[pad]), False
            put = None if source is None else self._put_out(pad, source(), True)
        return put, pulled_up

    def _put_out(self, pad: int, level: int, enabled: bool) -> int | None:
        """The level that a function's output has on its pad, None when it is switched off."""
        wiring = self.wiring[pad]
        if not (wiring & OUT_ENABLE and enabled != bool(wiring & OUT_ENABLE_INVERTED)):
            return None
        return (int(enabled) if wiring & OUT_TELLS_ENABLE else level) ^ bool(wiring & OUT_INVERTED)

    # --- GPIO units ------------------------------------------------------------------------------
    def set_mode(self, gpio: int, mode: int) -> None:
        self.modes[gpio] = mode
        self._look()

    def write(self, gpio: int, level: int) -> None:
        self.outputs[gpio] = int(bool(level))
        self._look()

    def write_bank(self, first: int, levels: int, outputs: int, count: int) -> None:
        """Set a bank of units at once: bit n of both belongs to `first` + n."""
        before = self._banks.get(first, (0, 0))
        self._banks[first] = levels, outputs
        changed = (levels ^ before[0] | outputs ^ before[1]) & ((1 << count) - 1)
        if not changed:
            return
        while changed:
            n = (changed & -changed).bit_length() - 1
            changed &= changed - 1
            gpio, driven = first + n, outputs >> n & 1
            if self.modes[gpio] == OUTPUT and not driven:
                pad = self.pad_of(FUNC_GPIOHS0 + gpio)
                if pad >= 0:
                    self.held[pad] = self.outputs[gpio]
            self.outputs[gpio] = levels >> n & 1
            self.modes[gpio] = OUTPUT if driven else INPUT
        self._look()

    def read_bank(self, first: int, count: int) -> int:
        """The levels of a bank of units; bit n belongs to `first` + n."""
        levels, start = 0, FUNC_GPIOHS0 + first
        for pad, function in enumerate(self.functions):
            if start <= function < start + count:
                levels |= self._level(function - FUNC_GPIOHS0, pad) << function - start
        for function, level in self.ties.items():
            if start <= function < start + count:
                levels = levels & ~(1 << function - start) | level << function - start
        return levels

    def read(self, gpio: int) -> int:
        """The level at the pad of a GPIO unit; its own output where it has no pad."""
        return self._level(gpio, self.pad_of(gpio_function(gpio)))

    def set_trigger(self, gpio: int, trigger: int) -> None:
        """Edges to be told of from now on."""
        self.triggers[gpio] = trigger
        self._seen[gpio] = self.read(gpio)

    def _level(self, gpio: int, pad: int) -> int:
        if pad < 0:
            mode = self.modes[gpio]
            return self.outputs[gpio] if mode == OUTPUT else int(mode == PULL_UP)
        wiring = self.wiring[pad]
        enabled = wiring & IN_ENABLE and not wiring & IN_ENABLE_INVERTED
        return (self.level(pad) if enabled else 0) ^ bool(wiring & IN_INVERTED)

    def _outside(self, pad: int) -> int:
        """The level of a pad that no unit drives."""
        if self.driven[pad] is not None:
            return self.driven[pad]
        return self.held[pad] if self.pulls[pad] == INPUT else int(self.pulls[pad] == PULL_UP)

    def _look(self) -> None:
        """Tell of edges since the last look."""
        for listener in self.listeners:
            listener()
        if not any(self.triggers):
            return
        for gpio, trigger in enumerate(self.triggers):
            if trigger == NO_EDGE:
                continue
            level, before = self.read(gpio), self._seen[gpio]
            self._seen[gpio] = level
            edge = NO_EDGE if level == before else RISING if level else FALLING
            if edge & trigger and self.on_edge is not None:
                self.on_edge(gpio)
