# Every module that help('modules') knows, and the public names of those that boards use.
help("modules")
for name in (
    "machine",
    "uos",
    "utime",
    "Maix",
    "KPU",
    "sensor",
    "image",
    "lcd",
    "fpioa_manager",
    "board",
    "ujson",
    "ustruct",
    "ubinascii",
    "uhashlib",
    "ure",
    "ucollections",
    "uheapq",
    "urandom",
    "uctypes",
    "uselect",
    "usocket",
    "_thread",
    "network",
    "audio",
    "video",
    "touchscreen",
    "ulab",
    "modules",
    "nes",
    "uio",
    "array",
    "math",
    "cmath",
    "ucryptolib",
    "uzlib",
    "utimeq",
):
    try:
        module = __import__(name)
        print(name, dir(module))
    except Exception as e:
        print(name, type(e).__name__, e)
