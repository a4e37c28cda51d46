"""Resets of the whole chip and what caused the last one."""

from __future__ import annotations

HARD_RESET, SOFT_RESET, WDT_RESET, WDT1_RESET = 0, 1, 2, 3


def reset(vm, cause: int) -> None:
    """Reset the chip; does not return."""
    firmware = getattr(vm.board, "firmware", None)
    if firmware is not None:
        firmware.reset_cause = cause
    vm.board.system_reset()


def cause(vm) -> int:
    """Why the chip was started: power-on, unless a reset has told otherwise."""
    return getattr(getattr(vm.board, "firmware", None), "reset_cause", HARD_RESET)
