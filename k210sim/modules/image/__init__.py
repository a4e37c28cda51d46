"""The guest's `image` module: pictures and what the firmware does with them.

    arguments.py   taking arguments as the firmware's own helpers do; declaring Image methods
    costs.py       what the methods take in virtual time
    pictures.py    pixels on the GC heap, in frame buffers, in files
    basic.py       size, pixels, conversion, copies, files
    drawing.py     lines, text, pasted pictures
    operations.py  arithmetic, morphology, filters, geometry
    analysis.py    statistics and blobs
    finders.py     templates, regression lines, texture descriptors
    results.py     the objects those return
    module.py      the module's functions and constants

Algorithms are in `k210sim.imaging`; here is what belongs to the language: arguments, messages,
memory. Ref: sipeed/MaixPy-v1 components/micropython/port/src/omv/py/py_image.c and py_helper.c,
d8901fd; spec sheet peripheral_modules.md 7.
"""
