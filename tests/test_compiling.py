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
        "compiling the KPU's arithmetic for this machine, once (about 100 s)",
        "compiling the image functions for this machine, once (about 20 s)"]
    assert done.stderr == "k210sim: a line\n"


LIMIT = """
    import concurrent.futures, time
    from k210sim import compiling
    compiling.announce(lambda line: None)
    import numba
    limit = compiling.TimeLimit(0.2)
    space = {"__name__": "k210sim.kpu.one"}
    body = "".join(f"    x += {n} * x * {n}\\n" for n in range(400))
    exec("def long(x):\\n" + body + "    return x\\n", space)
    started = time.monotonic()
    numba.njit("int64(int64)")(space["long"])
    assert time.monotonic() - started > 0.3, "too quick to show anything"
    assert not limit.over and 0 < limit.left() <= 0.2
    future = concurrent.futures.Future()
    try:
        limit.result(future)
        raise SystemExit("no limit")
    except concurrent.futures.TimeoutError:
        assert limit.over
    future.set_result(7)
    assert limit.result(future) == 7
    assert compiling.TimeLimit(None).left() is None and not compiling.TimeLimit(None).over
"""


def test_a_time_limit_does_not_count_compilations():
    subprocess.run([sys.executable, "-c", textwrap.dedent(LIMIT)], timeout=120, check=True)
