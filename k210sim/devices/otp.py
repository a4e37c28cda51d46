"""OTP: 16 KiB of fuses, all blank, that can be read and not be programmed.

Ref: otp.h and otp.c of early kendryte-standalone-sdk releases; github.com/laanwj/k210-sdk-stuff
doc/otp_layout.md: what lies where on a chip, and that the place of the key gives errors. What the
factory writes (a patch of the boot ROM, serial numbers) is not there. Programming, the test modes
and the write half of the blank test raise NotSimulated.
"""

from __future__ import annotations

from k210sim.devices.device import Device, Register
from k210sim.errors import NotSimulated

NAMES = (
    "ceb", "test_mode", "mode", "gb_otp_en", "dat_in_finish", "bisr_fail", "test_step", "pwrrdy",
    "last_dat", "data", "pwr_mode", "in_dat", "apb_adr", "td_result", "data_acp_flag",
    "adr_in_flag", "wr_result", "thershold", "bisr_finish", "key_cmp_result", "cmp_key",
    "cmp_result_rdy", "cle", "data_blk_ctrl", "wrg_adr_flag", "pro_wrong", "status", "pro_adr",
    "blank_finish", "bisr2otp_en", "cpu_ctrl", "web_cpu", "rstb_cpu", "seltm_cpu", "readen_cpu",
    "pgmen_cpu", "dle_cpu", "din_cpu", "cpumpen_cpu", "cle_cpu", "ceb_cpu", "adr_cpu", "dat_cpu",
    "data_rdy", "block_flag_high", "block_flag_low", "reg_flag_high", "reg_flag_low",
)  # fmt: skip
READ_ONLY = {"data", "adr_in_flag", "dat_cpu", "data_rdy", "status", "pro_adr"}
SIZE, KEY = 0x4000, 0x3FF0
READING, TESTING = 0, 2  # modes
BLANK_TEST = 0x24


class Otp(Device):
    NAME = "OTP"
    REGISTERS = tuple(
        Register(4 * i, name, read_only=name in READ_ONLY) for i, name in enumerate(NAMES)
    )

    def reset(self) -> None:
        super().reset()
        self._set("adr_in_flag", 1)
        self._set("pwrrdy", 1)

    def _at(self, name: str) -> int:
        return self._cells[NAMES.index(name)]

    def _set(self, name: str, value: int) -> None:
        self._put(4 * NAMES.index(name), 4, value)

    def write_ceb(self, value: int) -> None:
        """Low starts what the modes say."""
        self._set("ceb", value)
        mode = self._at("mode")
        if value or mode == READING:
            return
        if mode == TESTING and self._at("test_mode") == BLANK_TEST:
            self._set("bisr_fail", 0)
            self._set("blank_finish", 1)
            return
        raise NotSimulated(f"the OTP in mode {mode}, test mode 0x{self._at('test_mode'):x}")

    def write_apb_adr(self, value: int) -> None:
        """A bit's address: the byte there can be read at once."""
        self._set("apb_adr", value)
        outside = value // 8 >= KEY
        self._set("wrg_adr_flag", int(outside))
        self._set("data", 0)
        self._set("data_rdy", 1)

    def write_pgmen_cpu(self, value: int) -> None:
        if value & 1:
            raise NotSimulated("programming the OTP")
        self._set("pgmen_cpu", value)

    def write_cmp_key(self, value: int) -> None:
        raise NotSimulated("comparing the OTP's key")
