# sys, micropython, gc, Maix: names and constants that do not depend on addresses.
import gc, micropython, sys

print(
    sys.implementation,
    sys.version,
    sys.version_info,
    sys.platform,
    sys.byteorder,
    sys.maxsize,
    sys.path,
    sys.argv,
    sys.modules,
)
print(dir(sys), dir(micropython), dir(gc))
print(
    gc.isenabled(),
    gc.disable(),
    gc.isenabled(),
    gc.enable(),
    gc.mem_alloc() + gc.mem_free(),
    gc.threshold(),
)
print(
    micropython.const(5),
    micropython.opt_level(),
    micropython.kbd_intr(3),
    micropython.stack_use() > 0,
)
print(sorted(k for k in globals() if not k.startswith("__")), __name__)
from Maix import utils

print(utils.gc_heap_size(), [n for n in dir(utils) if not n.startswith("_")])
import Maix

print(dir(Maix))
