"""From reset to the prompt: boot log, start-up script, boot.py and main.py.

Ref: MaixPy-v1 v0.6.3, port/src/maixpy_main.c (order of boot) and port/builtin_py/_boot.py
(what the start-up script does, not its text).
"""

from __future__ import annotations

from k210sim.repl import wording
from k210sim.repl.interpreter import Interpreter
from k210sim.repl.modes import Repl
from k210sim.serialport.uart import UartPort

STARTUP_NAME = "_boot.py"
INTERRUPT_WINDOW_MS = 200
HOLD_NS = 50_000_000  # well inside the window

# What a board without a main.py is given: it greets on the panel and ends at the prompt. The
# firmware's own one also looks at the BOOT key for a camera test and shows adverts.
DEFAULT_MAIN = b"""\
import gc, image, lcd

lcd.init()
picture = image.Image(size=(lcd.width(), lcd.height()))
picture.draw_rectangle((0, 0, lcd.width(), lcd.height()), fill=True, color=(255, 0, 0))
release = 'V{}.{}.{}'.format(*sys.implementation.version)
picture.draw_string(60, lcd.height() // 4, 'Welcome to MaixPy-v1', color=(255, 255, 255), scale=2)
picture.draw_string(140, lcd.height() // 2, release, color=(255, 255, 255))
lcd.display(picture)
gc.collect()
del gc, image, lcd, picture, release
"""

# The start-up script proper, run in `__main__` as the firmware runs its own: it leaves the names
# os, sys and time behind and nothing else. Its other names are the firmware's too, because the
# order of `dir()` depends on every name that was ever stored in the table.
STARTUP = f"""\
import os, sys, time

sys.path.append('')
sys.path.append('.')
devices = os.listdir('/')
if 'sd' in devices:
    os.chdir('/sd')
    sys.path.append('/sd')
else:
    os.chdir('/flash')
sys.path.append('/flash')
del devices

print({wording.INIT_END!r})
for i in range({INTERRUPT_WINDOW_MS}):
    time.sleep_ms(1)  # here Ctrl-C still prevents boot.py and main.py
del i

ide_mode_conf = '/flash/ide_mode.conf'
try:
    open(ide_mode_conf).close()
    ide = True
except OSError:
    ide = False
if ide:
    os.remove(ide_mode_conf)
    print('[k210sim] the mode of MaixPy IDE is not simulated')
del ide, ide_mode_conf

main_py = {DEFAULT_MAIN!r}
flash_ls = os.listdir()
if 'main.py' not in flash_ls:
    with open('main.py', 'wb') as f:
        f.write(main_py)
    del f
del main_py

flash_ls = os.listdir('/flash')
try:
    sd_ls = os.listdir('/sd')
except OSError:
    sd_ls = []
if sd_ls:
    for f in ('boot.py', 'main.py'):
        if 'cover.' + f in sd_ls:
            with open('/sd/cover.' + f) as code:
                code = code.read()
            code0 = ''
            if f in flash_ls:
                with open('/flash/' + f) as code0:
                    code0 = code0.read()
            if code0 != code:
                with open('/flash/' + f, 'w') as code0:
                    code0.write(code)
                import machine
                machine.reset()
            del code, code0
    del f
del flash_ls, sd_ls

banner = {wording.ART!r}
print(banner)
del banner
"""


class Boot:
    """Runs the steps of a reset. `cold` lines come only with power-on and system reset."""

    def __init__(
        self,
        port: UartPort,
        interpreter: Interpreter,
        repl: Repl,
        *,
        flash_id: tuple[int, int],
        frequencies: wording.Frequencies,
    ):
        self._port = port
        self._interpreter = interpreter
        self._repl = repl
        self._flash_id = flash_id
        self._frequencies = frequencies

    def cold(self) -> None:
        """The lines of the chip; `warm` follows."""
        self._port.write(wording.cold_boot_log(self._frequencies, *self._flash_id))

    def warm(self) -> bool:
        """Heap line and start-up script; False when the user's files are not to be run."""
        self._repl.readline.history = []
        self._port.write(wording.heap_line(*self._interpreter.heap_range()))
        return self._startup()

    def user_files(self, *, run_main: bool = True) -> None:
        """boot.py and (friendly mode only) main.py; `run_main=False` leaves main.py alone."""
        self._run_file("boot.py")
        if run_main and self._repl.friendly:
            self._run_file("main.py")

    def soft_reset_line(self) -> None:
        self._port.write(wording.SOFT_REBOOT)

    def _startup(self) -> bool:
        """The start-up script; when it does not end by itself the user's files are not run.

        Ctrl-C typed before it began must not hit its first lines, which set up the paths: on
        the board they take no time worth mentioning.
        """
        self._port.hold(HOLD_NS)
        outcome = self._repl.run(STARTUP.encode(), filename=STARTUP_NAME, mode="frozen")
        self._port.write_cooked(outcome.traceback)
        return outcome.kind == "ok"

    def _run_file(self, name: str) -> None:
        """Run a user's file if it is there; an error in it is shown and does no more."""
        source = self._interpreter.read_if_exists(name)
        if source is not None:
            outcome = self._repl.run(source, filename=name, mode="exec")
            self._port.write_cooked(outcome.traceback)
