"""Modules of the firmware image that are Python themselves, as source by file name.

What they offer and print is that of MaixPy-v1 v0.6.3 port/builtin_py; the code is our own. The
editor is there by name only; the start-up script is the boot sequence's.
"""

from __future__ import annotations

_BOARD = b"""\
from Maix import config

class board_info:
    def set(key, value=None):
        setattr(board_info, key, value)

    def all():
        return dir(board_info)

    def get():
        return getattr(board_info, key)

    def load(entries={}):
        for key in entries:
            setattr(board_info, key, entries[key])

tmp = config.get_value('board_info', None)
if tmp is None:
    print('[Warning] Not loaded from /flash/config.json to board_info.')
    board_info.load({'BOOT_KEY': 16})
else:
    board_info.load(tmp)
"""

_FPIOA_MANAGER = b"""\
from Maix import FPIOA

class fm:
    fpioa = FPIOA()

    def help():
        fm.fpioa.help()

    def get_pin_by_function(function):
        return fm.fpioa.get_Pin_num(function)

    def unregister(pin):
        fm.fpioa.set_function(pin, FPIOA.RESV0)

    def register(pin, function, force=True):
        owner = fm.fpioa.get_Pin_num(function)
        if owner == pin:
            return
        if owner is not None:
            text = '[Warning] function is used by %s(pin:%d)' % (fm.str_function(function), owner)
            if not force:
                raise Exception(text)
            print(text)
        fm.fpioa.set_function(pin, function)

    def str_function(function):
        if FPIOA.GPIOHS0 <= function < FPIOA.GPIO0:
            return 'fm.fpioa.GPIOHS%d' % (function - FPIOA.GPIOHS0)
        if FPIOA.GPIO0 <= function <= FPIOA.GPIO7:
            return 'fm.fpioa.GPIO%d' % (function - FPIOA.GPIO0)
        return 'unknown'

    def get_gpio_used():
        used = []
        for function in range(FPIOA.GPIOHS0, FPIOA.GPIO7 + 1):
            used.append((fm.str_function(function), fm.get_pin_by_function(function)))
        return used
"""

_IDE_DEBUG = b"""\
import gc, json, lcd

try:
    with open('/flash/config.json', 'rb') as f:
        if json.load(f)['type'] == 'amigo_ips':
            lcd.init()
except Exception:
    pass
gc.collect()
"""

_PYE = b"""\
def pye(*files, **options):
    raise OSError('k210sim: pye_mp.pye() is not simulated')
"""

SOURCES: dict[str, bytes] = {
    "board.py": _BOARD,
    "fpioa_manager.py": _FPIOA_MANAGER,
    "ide_debug.py": _IDE_DEBUG,
    "pye_mp.py": _PYE,
}
