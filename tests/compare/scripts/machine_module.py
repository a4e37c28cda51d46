# machine: constants, frequencies, unique id, reset cause.
import machine
from Maix import freq

print([n for n in dir(machine) if not n.startswith("_")])
print(
    machine.reset_cause(),
    freq.get(),
    freq.get_cpu(),
    freq.get_kpu(),
    [n for n in dir(freq) if not n.startswith("_")],
)
from machine import WDT

for what in (
    "WDT(id=9)",
    "WDT(timeout=-1)",
    "WDT()",
    "machine.mem32[0x50440000] != 0",
    "machine.foo",
    "machine.reset_foo",
    "freq.set(cpu=5)",
    "machine.idle()",
    "machine.disable_irq()",
):
    try:
        print(what, eval(what))
    except Exception as e:
        print(what, type(e).__name__, e)
