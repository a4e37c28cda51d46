# An I2C bus with nothing on it.
from machine import I2C

i2c = I2C(I2C.I2C0, freq=100000, scl=28, sda=29)
print(i2c.scan())
for what in (
    "i2c.writeto(0x3c, b'ab')",
    "i2c.readfrom(0x3c, 2)",
    "i2c.readfrom_mem(0x3c, 0, 2)",
    "i2c.writeto_mem(0x3c, 0, b'x')",
    "i2c.readfrom_into(0x3c, bytearray(2))",
    "i2c.writeto('a', b'b')",
    "i2c.foo",
    "I2C(I2C.I2C0, freq=0, scl=28, sda=29)",
    "I2C(I2C.I2C0, freq=100000, scl=99, sda=29)",
    "I2C(I2C.I2C0, mode=9, scl=28, sda=29)",
    "I2C(I2C.I2C1, mode=I2C.MODE_MASTER, scl=30, sda=31).scan()",
    "i2c.deinit()",
):
    try:
        print(what, eval(what))
    except Exception as e:
        print(what, type(e).__name__, e)
