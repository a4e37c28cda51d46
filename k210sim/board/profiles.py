"""The boards that can be simulated, as data.

Sources: sipeed/MaixPy-v1_scripts board/config_maix_*.py (pins), MaixPy-v1 v0.6.3 (its firmware
builds projects/maixpy_amigo_tft and maixpy_m5stickv: size and bus clock of their LCD, config.json,
pins; the others run maixpy_k210), kendryte-standalone-demo (KD233: camera, pins of its panel,
direction and colour order), kflash (reset circuits; which of them Amigo and M5StickV have: the
flashing script of selfcustody/krux), the makers' pages (camera chips). The flash chips are one of
two that all these boards carry; which one a given board has varies by batch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from k210sim.errors import ConfigError

GIGADEVICE_128M = (0xC8, 0x17)  # GD25Q128
WINBOND_128M = (0xEF, 0x17)  # W25Q128


@dataclass(frozen=True)
class BoardProfile:
    """One kind of board.

    flash_id : manufacturer and device byte of the flash chip (16 MiB on all of them)
    lcd_size, lcd_freq : width and height in pixels and bus clock in Hz that `lcd.init()` of the
        board's firmware starts from; the size is the panel's
    lcd_type : `type` argument of the firmware's `lcd.init` for this panel
    lcd_settings : `lcd` of the config.json that the board's firmware writes; empty for none
    panel : name in k210sim.lcd.panel of the panel's kind
    camera_chip : name of the camera's chip
    pins : names as in the firmware's `board_info`, to chip pin numbers
    config_type : `type` in the board's /flash/config.json
    sd_select_pad : pad of the SD card's chip select
    reset_circuit : kflash's board name, that is, how DTR and RTS reach reset and boot pin
    """

    name: str
    title: str
    config_type: str
    flash_id: tuple[int, int] = GIGADEVICE_128M
    lcd_size: tuple[int, int] = (320, 240)
    lcd_freq: int = 15_000_000
    lcd_type: int = 1
    lcd_settings: Mapping[str, int] = field(default_factory=dict)
    panel: str = "SHIELD"
    camera_chip: str = "ov2640"
    pins: Mapping[str, int] = field(default_factory=dict)
    sd_select_pad: int = 29
    reset_circuit: str = "dan"

    def __post_init__(self):
        for name in ("pins", "lcd_settings"):
            object.__setattr__(self, name, MappingProxyType(dict(getattr(self, name))))

    def config(self) -> dict:
        """The /flash/config.json that the board's firmware writes; empty where it writes none."""
        if not self.lcd_settings:
            return {}
        return {"type": self.config_type, "lcd": dict(self.lcd_settings),
                "board_info": dict(self.pins)}  # fmt: skip


MIC_ON_18 = {"MIC0_WS": 19, "MIC0_DATA": 20, "MIC0_BCK": 18}
WIFI = {"WIFI_TX": 6, "WIFI_RX": 7, "WIFI_EN": 8}
SPEAKER = {"I2S_WS": 33, "I2S_DA": 34, "I2S_BCK": 35}

PROFILES: Mapping[str, BoardProfile] = MappingProxyType(
    {
        profile.name: profile
        for profile in (
            BoardProfile(
                name="bit",
                title="Sipeed Maix Bit",
                config_type="bit",
                reset_circuit="bit",
                pins={"BOOT_KEY": 16, "LED_R": 13, "LED_G": 12, "LED_B": 14, **MIC_ON_18},
            ),
            BoardProfile(
                name="dock",
                title="Sipeed Maix Dock",
                config_type="dock",
                pins={
                    "BOOT_KEY": 16, "LED_R": 14, "LED_G": 13, "LED_B": 12, **WIFI,
                    "MIC0_WS": 30, "MIC0_DATA": 20, "MIC0_BCK": 32, **SPEAKER,
                },
            ),
            BoardProfile(
                name="go",
                title="Sipeed Maix Go",
                config_type="Go",
                reset_circuit="goE",
                pins={
                    "BOOT_KEY": 16, "LED_R": 14, "LED_G": 12, "LED_B": 13, **WIFI, **MIC_ON_18,
                    **SPEAKER,
                },
            ),
            BoardProfile(
                name="duino",
                title="Sipeed Maixduino",
                config_type="duino",
                reset_circuit="maixduino",
                pins={
                    "BOOT_KEY": 16, "LED_R": 13, "LED_G": 12, "LED_B": 14, **WIFI, **MIC_ON_18,
                    **SPEAKER, "ESP32_CS": 25, "ESP32_RST": 8, "ESP32_RDY": 9, "ESP32_MOSI": 28,
                    "ESP32_MISO": 26, "ESP32_SCLK": 27, "PIN0": 4, "PIN1": 5, "PIN2": 21,
                    "PIN3": 22, "PIN4": 23, "PIN5": 24, "PIN6": 32, "PIN7": 15, "PIN8": 14,
                    "PIN9": 13, "PIN10": 12, "PIN11": 11, "PIN12": 10, "PIN13": 3,
                },
            ),
            BoardProfile(
                name="amigo",
                title="Sipeed Maix Amigo (TFT)",
                config_type="amigo_tft",
                reset_circuit="goE",
                lcd_size=(480, 320),
                lcd_settings={"height": 320, "width": 480, "invert": 0, "dir": 40, "lcd_type": 1},
                panel="AMIGO",
                sd_select_pad=26,
                # One key is named twice: it starts the programming mode and enters.
                pins={
                    "BOOT_KEY": 23, "LED_R": 14, "LED_G": 15, "LED_B": 17, "LED_W": 32,
                    "BACK": 31, "ENTER": 23, "NEXT": 20, **WIFI, "I2S0_MCLK": 13,
                    "I2S0_SCLK": 21, "I2S0_WS": 18, "I2S0_IN_D0": 35, "I2S0_OUT_D2": 34,
                    "I2C_SDA": 27, "I2C_SCL": 24, "SPI_SCLK": 11, "SPI_MOSI": 10, "SPI_MISO": 6,
                    "SPI_CS": 12,
                },
            ),
            BoardProfile(
                name="m5stickv",
                title="M5StickV",
                config_type="m5stickv",
                reset_circuit="goE",
                flash_id=WINBOND_128M,  # a guess: the maker's page only says 16 MB
                lcd_size=(240, 135),
                lcd_freq=40_000_000,
                lcd_type=3,
                panel="STICK",
                sd_select_pad=32,
                camera_chip="ov7740",
                pins={
                    "ISP_RX": 4, "ISP_TX": 5, "WIFI_TX": 39, "WIFI_RX": 38, "CONNEXT_A": 35,
                    "CONNEXT_B": 34,
                    "BUTTON_A": 36, "BUTTON_B": 37, "LED_W": 7, "LED_R": 6, "LED_G": 9,
                    "LED_B": 8, "MPU_SDA": 29, "MPU_SCL": 28, "MPU_INT": 23, "SPK_LRCLK": 14,
                    "SPK_BCLK": 15, "SPK_DIN": 17, "SPK_SD": 25, "MIC_LRCLK": 10, "MIC_DAT": 12,
                    "MIC_CLK": 13,
                },
            ),
            # No MaixPy is built for this one; its config.json is ours, with which v0.6.3 knows its
            # panel. The maker's demos run on it (--engine riscv).
            BoardProfile(
                name="kd233",
                title="Kendryte KD233",
                config_type="kd233",
                flash_id=WINBOND_128M,  # a guess
                lcd_settings={"height": 240, "width": 320, "invert": 0, "dir": 40, "dcx": 8,
                              "ss": 6, "clk": 7},
                panel="KD233",
                camera_chip="ov5640",
                reset_circuit="kd233",
                pins={"BOOT_KEY": 16},
            ),
        )
    }
)  # fmt: skip


def profile(name: str) -> BoardProfile:
    """The profile of this name; raises ConfigError naming those there are."""
    found = PROFILES.get(name)
    if found is None:
        raise ConfigError(f"board {name!r}: expected one of {', '.join(PROFILES)}")
    return found
