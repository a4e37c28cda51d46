# UART objects: what they print, and reading when nothing comes. No wire is there.
from fpioa_manager import fm
from machine import UART

fm.register(6, fm.fpioa.UART1_TX)
fm.register(7, fm.fpioa.UART1_RX)
u = UART(UART.UART1, 115200, 8, None, 1, timeout=50, read_buf_len=256)
print(
    u,
    u.any(),
    u.read(4),
    u.readline(),
    u.write("hello"),
    u.write(b"\x00\x01"),
    u.readinto(bytearray(4)),
    u.read(),
)
u.init(9600, bits=7, parity=1, stop=2, timeout=10)
print(u, u.any(), u.deinit())
for what in (
    "UART(9, 115200)",
    "UART(UART.UART2, 115200, bits=3)",
    "UART(UART.UART2, 115200, stop=5)",
    "UART(UART.UART2, 0)",
    "UART(UART.UART2, 115200, parity=9)",
    "UART(UART.UART2)",
    "UART()",
    "UART(UART.UART2, 115200, read_buf_len=-1)",
):
    try:
        print(what, eval(what))
    except Exception as e:
        print(what, type(e).__name__, e)
