# A net that was given back is used once more.
import image
import KPU

task = KPU.load(0x300000)
KPU.deinit(task)
try:
    KPU.forward(task, image.Image(size=(320, 240)))
except Exception as e:
    print(type(e).__name__, e)
