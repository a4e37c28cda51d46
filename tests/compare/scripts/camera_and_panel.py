# sensor and lcd: what calls return, sizes, pixels of a still picture.
import image, lcd, sensor, ubinascii, uhashlib


def digest(i):
    return ubinascii.hexlify(uhashlib.sha256(i.to_bytes()).digest())[:16]


print(
    lcd.init(),
    lcd.width(),
    lcd.height(),
    lcd.clear(lcd.RED),
    lcd.rotation(),
    lcd.rotation(2),
    lcd.mirror(),
    lcd.mirror(True) if 0 else "",
    lcd.get_backlight() if hasattr(lcd, "get_backlight") else "",
)
print(
    sensor.reset(),
    sensor.set_pixformat(sensor.RGB565),
    sensor.set_framesize(sensor.QVGA),
    sensor.run(1),
    sensor.skip_frames(time=200),
)
print(
    sensor.width(),
    sensor.height(),
    sensor.get_id() if hasattr(sensor, "get_id") else "",
    sensor.set_windowing((224, 224)),
)
img = sensor.snapshot()
print(img, digest(img), img.get_statistics())
print(
    lcd.display(img),
    lcd.display(img, roi=(0, 0, 50, 50), oft=(10, 10)),
    img.pix_to_ai(),
    lcd.draw_string(1, 2, "x"),
    lcd.fill_rectangle(1, 2, 3, 4, 5) if hasattr(lcd, "fill_rectangle") else "",
    lcd.deinit(),
)
print(
    sensor.set_pixformat(sensor.GRAYSCALE),
    sensor.set_framesize(sensor.QQVGA),
    sensor.run(1),
    sensor.snapshot(),
    sensor.set_hmirror(0),
    sensor.set_vflip(0),
    sensor.set_contrast(1),
    sensor.set_brightness(0),
    sensor.set_saturation(1),
    sensor.set_auto_gain(1),
    sensor.run(0),
)
for what in (
    "sensor.set_pixformat(99)",
    "sensor.set_windowing(5)",
    "sensor.foo",
    "sensor.run()",
    "sensor.sleep(1)",
    "lcd.rotation(9)",
    "lcd.display(5)",
    "lcd.init(type=9)",
    "lcd.init(freq=1)",
    "lcd.clear('a')",
    "lcd.draw_string(1)",
    "lcd.foo",
    "sensor.set_hmirror()",
    "sensor.set_contrast(9)",
    "sensor.set_brightness(9)",
    "sensor.set_jb_quality(5)",
    "lcd.freq(5000000)",
    "lcd.set_backlight(50)",
    "lcd.width(1)",
):
    try:
        print(what, eval(what))
    except Exception as e:
        print(what, type(e).__name__, e)
