# What does not fit, and that the heap is whole afterwards.
import gc, micropython

gc.collect()
free = gc.mem_free()
for what in (
    "bytearray(10**7)",
    "[0] * 10**7",
    "'x' * 10**7",
    "bytes(10**8)",
    "(0,) * 10**8",
    "bytearray(2**40)",
    "list(range(10**6))",
):
    try:
        print(what, len(eval(what)))
    except MemoryError as e:
        print(what, type(e).__name__, "memory allocation failed" in str(e))
    gc.collect()
print(abs(gc.mem_free() - free) < 2048)
try:
    micropython.heap_lock()
    x = [1, 2, 3]
    micropython.heap_unlock()
except MemoryError as e:
    micropython.heap_unlock()
    print(e)


def recurse(n):
    return recurse(n + 1)


try:
    recurse(0)
except RuntimeError as e:
    print(e)
