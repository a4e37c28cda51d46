# The face model at 0x300000: load, run on a still picture, read results, give back.
import KPU, sensor

sensor.reset()
sensor.set_pixformat(sensor.RGB565)
sensor.set_framesize(sensor.QVGA)
sensor.run(1)
sensor.skip_frames(time=200)
task = KPU.load(0x300000)
print(task)
anchors = (1.889, 2.5245, 2.9465, 3.94056, 3.99987, 5.3658, 5.155437, 6.92275, 6.718375, 9.01025)
print(KPU.init_yolo2(task, 0.5, 0.3, 5, anchors))
for i in range(2):
    img = sensor.snapshot()
    found = KPU.run_yolo2(task, img)
    for face in found or ():
        print(
            face.rect(),
            face.x(),
            face.y(),
            face.w(),
            face.h(),
            face.classid(),
            face.index(),
            face.objnum(),
            "%.3f" % face.value(),
            face,
        )
print(KPU.get_layers(task) if hasattr(KPU, "get_layers") else "", KPU.deinit(task))
