"""`machine`: serial lines, timers, buses, watchdogs, and resets.

Source: MaixPy-v1 v0.6.3 port/src/standard_lib/machine/modmachine.c.
"""

from __future__ import annotations

import hashlib

from k210sim.micropython.native import GuestModule
from k210sim.modules import machine_i2c, machine_reset, machine_timer, machine_uart, machine_wdt
from k210sim.modules.machine_sdcard import SDCard
from k210sim.modules.machine_spi import SpiType

UNIQUE_ID_BYTES = 32

module = GuestModule("machine")
module.add_type(machine_uart.UartType)
module.add_type(machine_timer.TimerType)
module.add_type(machine_timer.PwmType)
module.add_type(machine_i2c.I2cType)
module.add_type(SpiType)


@module.function(0)
def reset(vm):
    machine_reset.reset(vm, machine_reset.SOFT_RESET)


module.add_type(machine_wdt.WdtType)


@module.function(0)
def reset_cause(vm):
    return vm.new_int(machine_reset.cause(vm))


@module.function(0)
def unique_id(vm):
    """32 bytes that depend on the board's seed alone."""
    seed = getattr(vm.board, "seed", 0)
    vm.malloc(UNIQUE_ID_BYTES)
    return vm.new_bytes(hashlib.sha256(b"k210sim board %d" % seed).digest())


module.constant("PWRON_RESET", machine_reset.HARD_RESET)
module.constant("HARD_RESET", machine_reset.HARD_RESET)
module.constant("WDT_RESET", machine_reset.WDT_RESET)
module.constant("WDT1_RESET", machine_reset.WDT1_RESET)
module.constant("SOFT_RESET", machine_reset.SOFT_RESET)
module.add_type(SDCard)


@module.init
def _start(vm):
    machine_uart.start(vm)
    machine_timer.start(vm)
    machine_wdt.start(vm)
    machine_i2c.start(vm)
