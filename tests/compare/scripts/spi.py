# SPI objects on a bus with nothing on it.
from machine import SPI

spi = SPI(
    SPI.SPI1,
    mode=SPI.MODE_MASTER,
    baudrate=1000000,
    polarity=0,
    phase=0,
    bits=8,
    firstbit=SPI.MSB,
    sck=28,
    mosi=29,
    miso=30,
    cs0=27,
)
for what in (
    "SPI(SPI.SPI1, baudrate=0)",
    "SPI(SPI.SPI1, polarity=5, sck=28)",
    "SPI(SPI.SPI1, bits=99, sck=28)",
    "SPI(SPI.SPI1, mode=7, sck=28)",
    "spi.foo",
    "spi.deinit()",
):
    try:
        print(what, eval(what))
    except Exception as e:
        print(what, type(e).__name__, e)
