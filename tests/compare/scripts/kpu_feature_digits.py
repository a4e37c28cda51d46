# The features of the face model in all their digits: the layer that makes floats of bytes.
import KPU
import sensor

sensor.reset()
sensor.set_pixformat(sensor.RGB565)
sensor.set_framesize(sensor.QVGA)
sensor.run(1)
sensor.skip_frames(time=200)
task = KPU.load(0x300000)
print(KPU.forward(task, sensor.snapshot())[0:30])
