# Runs on the board: look at the camera ten times, find shapes with the demo model, draw them.
import KPU
import lcd
import sensor

LABELS = ("circle", "square", "triangle", "cross")
ANCHORS = (
    2.6186, 2.6164, 3.1663, 3.1703, 3.8372,
    3.8355, 4.6957, 4.691, 5.8578, 5.854,
)

lcd.init()
sensor.reset()
sensor.set_pixformat(sensor.RGB565)
sensor.set_framesize(sensor.QVGA)
sensor.run(1)
net = KPU.load(0x300000)
KPU.init_yolo2(net, 0.5, 0.3, len(ANCHORS) // 2, ANCHORS)
seen = 0
try:
    for _ in range(10):
        picture = sensor.snapshot()
        for found in KPU.run_yolo2(net, picture) or ():
            seen += 1
            x, y, w, h = found.rect()
            picture.draw_rectangle(x, y, w, h, color=(255, 255, 0), thickness=2)
            picture.draw_string(x, y, LABELS[found.classid()], color=(255, 255, 255))
        lcd.display(picture)
finally:
    KPU.deinit(net)
print("objects:", seen)
