# Wrong use of KPU and the numbers of its errors.
import KPU, Maix, image

print([n for n in dir(KPU) if not n.startswith("_")])
for what in (
    "KPU.load(0x10)",
    "KPU.load(0x900000)",
    "KPU.load('/flash/nothere.kmodel')",
    "KPU.load('/flash/boot.py')",
    "KPU.load(0x10000000)",
    "KPU.load(-1)",
    "KPU.load()",
    "KPU.load(1.5)",
    "KPU.load(None)",
    "KPU.load(0x300001)",
    "KPU.deinit(5)",
    "KPU.run_yolo2(5, 6)",
    "KPU.init_yolo2(5, 0.5, 0.3, 5, (1, 2))",
    "KPU.forward(5, 6)",
    "KPU.set_outputs(5, 0, 1, 1, 1)",
    "KPU.fmap_free(5)",
    "KPU.foo",
    "KPU.memtest(1)",
):
    try:
        print(what, eval(what))
    except Exception as e:
        print(what, type(e).__name__, e)
task = KPU.load(0x300000)
img = image.Image(size=(320, 240))
small = image.Image(size=(64, 64))
for what in (
    "KPU.run_yolo2(task, img)",
    "KPU.init_yolo2(task, 0.5, 0.3, 5, (1, 2, 3))",
    "KPU.init_yolo2(task, 2, 0.3, 5, (1,) * 10)",
    "KPU.init_yolo2(task, 0.5, 0.3, 5, 5)",
    "KPU.init_yolo2(task)",
    "KPU.forward(task, small)",
    "KPU.forward(task, img)",
    "KPU.set_outputs(task, 9, 1, 1, 1)",
    "KPU.set_layers(task, 999)",
    "KPU.netinfo(task)",
    "KPU.deinit(task)",
    "KPU.deinit(task)",
    "task",
):
    try:
        print(what, eval(what))
    except Exception as e:
        print(what, type(e).__name__, e)
