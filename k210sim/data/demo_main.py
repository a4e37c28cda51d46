# The board's demo: find circles, squares, triangles and crosses in the camera's picture.
# It is /flash/main.py of a factory board; the model lies in flash at 0x300000.
# Ctrl-C stops it and gives you the prompt.
import gc
import time

import KPU as kpu
import lcd
import sensor

LABELS = ("circle", "square", "triangle", "cross")
COLORS = ((255, 255, 0), (0, 255, 0), (0, 255, 255), (255, 0, 255))
ANCHORS = (2.6186, 2.6164, 3.1663, 3.1703, 3.8372, 3.8355, 4.6957, 4.691, 5.8578, 5.854)
THRESHOLD = 0.5
NMS = 0.3


def draw(img, item):
    x, y, w, h = item.rect()
    color = COLORS[item.classid()]
    text = "%s %.2f" % (LABELS[item.classid()], item.value())
    img.draw_rectangle(x, y, w, h, color=color, thickness=2)
    top = y - 14 if y >= 14 else y + 2
    img.draw_rectangle(x, top, 6 * len(text) + 8, 14, color=color, fill=True)
    img.draw_string(x + 2, top + 1, text, color=(0, 0, 0))


def describe(found):
    if not found:
        return "nothing"
    return ", ".join(
        ["%s %.2f %s" % (LABELS[i.classid()], i.value(), i.rect()) for i in found]
    )


def main(frames=0):
    # frames: stop after so many pictures; 0 runs until Ctrl-C
    lcd.init()
    sensor.reset()
    sensor.set_pixformat(sensor.RGB565)
    sensor.set_framesize(sensor.QVGA)
    sensor.run(1)
    task = kpu.load(0x300000)
    try:
        kpu.init_yolo2(task, THRESHOLD, NMS, len(ANCHORS) // 2, ANCHORS)
        print("looking for " + ", ".join(LABELS) + "; Ctrl-C stops")
        shown, said = None, 0
        count = 0
        while frames == 0 or count < frames:
            count += 1
            img = sensor.snapshot()
            start = time.ticks_ms()
            found = kpu.run_yolo2(task, img)
            now = time.ticks_ms()
            # Say what is there when it changes, and once a second.
            labels = [item.classid() for item in found] if found else []
            if labels != shown or time.ticks_diff(now, said) >= 1000:
                print("%d: %s" % (count, describe(found)))
                shown, said = labels, now
            if found:
                for item in found:
                    draw(img, item)
            text = "KPU %d ms" % time.ticks_diff(now, start)
            img.draw_string(2, 226, text, color=(255, 255, 255))
            lcd.display(img)
    except KeyboardInterrupt:
        print("demo stopped")
    finally:
        kpu.deinit(task)
        sensor.run(0)
        gc.collect()


if __name__ == "__main__":
    main()
