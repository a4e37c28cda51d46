"""The lines about compilations: each part once, on stderr, nothing when the cache is warm."""

import json
import subprocess
import sys
import textwrap

SCRIPT = """
    import json
    from k210sim import compiling
    lines = []
    compiling.announce(lines.append)
    compiling.announce(print)  # only the first call counts
    import numba
    source = "def twice(x):\\n    return 2 * x\\n"
    for package in ("kpu.one", "kpu.two", "imaging.x", "elsewhere"):
        space = {"__name__": "k210sim." + package if package != "elsewhere" else "other"}
        exec(source, space)
        numba.njit("int64(int64)")(space["twice"])
    print(json.dumps(lines))
    compiling.to_stderr("a line")
"""


def test_each_part_is_told_once():
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(SCRIPT)], capture_output=True,
                          text=True, timeout=120, check=True)
    assert json.loads(done.stdout) == [
        "compiling the KPU's arithmetic for this machine, once (about 40 s)",
        "compiling the image functions for this machine, once (about 20 s)"]
    assert done.stderr == "k210sim: a line\n"
