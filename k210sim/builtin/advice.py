"""Words for the person at the host about what went wrong on the board; the guest sees none of it.

Each function returns one text that says what happened, the figures, and the next step.
"""

from __future__ import annotations

import re

from k210sim.flash.flash_map import find_models

SHOWN_MODELS = 6
SHOWN_BYTES = 16

# What newer Pythons have and the board's compiler (MicroPython 1.11) refuses: pattern, words.
NEWER = (
    (re.compile(rb"""(?<![\w.'"])[rR]?[fF][rR]?['"]"""),
     "the board's MicroPython has no f-strings; write '{}'.format(x) or '%s' % x"),
    (re.compile(rb":="), "the board's MicroPython has no := ; assign in a line of its own"),
    (re.compile(rb"\b(async|await)\b"), "the firmware is built without async and await"),
    (re.compile(rb"^\s*(match|case)\b.*:\s*$"), "the board's MicroPython has no match statement"),
    (re.compile(rb"(?<=\d)_(?=\d)"), "write the number without underscores"),
)


def syntax_error(source: bytes, traceback: bytes) -> str | None:
    """Why a program is refused that a newer Python takes; None when nothing known is in the line.

    traceback : the device's text; its last `line N` is the line meant, and a message points at
        it or, for a bracket that stays open, at a later one.
    """
    numbers = re.findall(rb'"<stdin>", line (\d+)', traceback)
    lines = source.splitlines()
    if not numbers or not 0 < int(numbers[-1]) <= len(lines):
        return None
    number = int(numbers[-1])
    for pattern, words in NEWER:
        if pattern.search(lines[number - 1]):
            return f"line {number}: {words}"
    return None


def gc_heap_full(asked: int, info, system_free: int) -> str:
    """A MemoryError. info: HeapInfo at the moment; system_free: bytes free behind the C heap."""
    longest = info.max_free * 32
    if asked > info.total:
        why = "more than the whole heap"
    elif info.free >= asked:
        why = "enough is free, but not in one piece: the heap is fragmented"
    else:
        why = "less than that is free"
    return (
        f"MemoryError: {asked} bytes were asked for; of {info.total} bytes of GC heap "
        f"{info.free} are free, {longest} in one piece ({why}). Drop references and call "
        f"gc.collect(), read in smaller pieces, or take a larger heap with "
        f"Maix.utils.gc_heap_size(n) and a reset; {system_free} bytes of the system heap are free"
    )


def nothing_loadable(flash, offset: int) -> str:
    """Error 2002: what stands at the address, and where models are."""
    data = bytes(flash[offset : offset + SHOWN_BYTES])
    what = "erased flash" if set(data) <= {0xFF} else repr(data[:8])[1:]
    text = f"2002: at 0x{offset:08x} stands {data.hex(' ')} ({what}), no kmodel V3 or V4. "
    models = find_models(flash)
    if not models:
        return text + "There is no model in flash at all: flash one with k210sim flash. See " \
                      "k210sim explain 2002"
    places = ", ".join(f"0x{m.start:08x} ({m.kind}, {m.detail})" for m in models[:SHOWN_MODELS])
    more = f" and {len(models) - SHOWN_MODELS} more" if len(models) > SHOWN_MODELS else ""
    return text + f"Models are at {places}{more}. See k210sim explain 2002"


def model_too_large(failure, gc_heap: int, frames: int, models: int) -> str:
    """Error 2006: what was asked for, what is free, who holds the rest.

    failure : (bytes asked, largest free block, bytes free behind the heap's end)
    gc_heap, frames, models : bytes the GC heap, the camera and other models hold
    """
    asked, largest, free = failure
    text = (f"2006: a block of {asked} bytes was asked for; the largest that the system heap can "
            f"give is {largest} bytes ({free} up to its end). ")
    held = [f"the GC heap {gc_heap} (Maix.utils.gc_heap_size(n) and a reset)"]
    if frames:
        held.append(f"camera frames {frames} (a smaller frame, or sensor.reset(dual_buff=False))")
    if models:
        held.append(f"other models {models} (KPU.deinit)")
    text += "Held by " + ", ".join(held) + ". "
    missing = asked - largest
    text += (f"Freeing {missing} bytes in one piece would do" if missing < gc_heap + frames + models
             else f"{missing} bytes are missing, more than all of these: the model is too large "
                  "for this firmware")
    return text + "; see k210sim explain 2006 and k210sim model lint FILE"


def wrong_picture(line: str, shape: tuple[int, int, int]) -> str:
    """A picture that a model does not take. line: the firmware's words; shape: (c, h, w)."""
    channels, height, width = shape
    if "pix_ai" in line:
        fix = "call img.pix_to_ai() before the run"
    elif "model w=" in line:
        fix = (f"call sensor.set_windowing(({width}, {height})) before sensor.snapshot(), or "
               f"img = img.resize({width}, {height}) and img.pix_to_ai()")
    elif channels == 1:
        fix = "call sensor.set_pixformat(sensor.GRAYSCALE), or img.to_grayscale()"
    else:
        fix = "call sensor.set_pixformat(sensor.RGB565)"
    return f"the model takes {width}x{height} with {channels} channels: {fix}"
