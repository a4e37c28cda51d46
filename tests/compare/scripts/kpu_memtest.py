# KPU.memtest and the figures of Maix.utils around a load.
import KPU
from Maix import utils

print(KPU.memtest() if hasattr(KPU, "memtest") else "no memtest", utils.gc_heap_size())
