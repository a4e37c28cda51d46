# forward, and what its feature map holds.
import KPU, sensor

sensor.reset()
sensor.set_pixformat(sensor.RGB565)
sensor.set_framesize(sensor.QVGA)
sensor.run(1)
sensor.skip_frames(time=200)
task = KPU.load(0x300000)
img = sensor.snapshot()
fm = KPU.forward(task, img)
print(fm, dir(fm), ["%.4f" % v for v in fm[0:300]])
print(KPU.fmap_free(fm), KPU.netinfo(task), KPU.deinit(task))
