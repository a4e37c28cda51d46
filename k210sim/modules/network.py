"""`network`: the drivers' names; no radio or Ethernet chip is simulated, so none is ever active."""

from __future__ import annotations

from k210sim.micropython.native import GuestModule
from k210sim.modules.absent import absent_type

_SECURITY = {"OPEN": 0, "WPA_PSK": 2, "WPA2_PSK": 3, "WPA_WPA2_PSK": 4}

module = GuestModule("network")
module.add_type(absent_type(
    "ESP8285", "network", "connect disconnect isconnected ifconfig scan enable_ap disable_ap",
    _SECURITY))
module.add_type(absent_type(
    "ESP32_SPI", "network", "version adc scan connect disconnect isconnected ifconfig ping",
    _SECURITY))
module.add_type(absent_type("WIZNET5K", "network", "regs ifconfig isconnected dhclient"))


@module.function(0)
def route(vm):
    """The active interfaces: none."""
    return vm.new_list()
