"""kill -9 in the middle of `k210sim flash` and `k210sim fs put`: the old image or the new one."""

from __future__ import annotations

import hashlib
import os
import random
import subprocess
import sys
import time

import pytest

from k210sim.flash.kfpkg import Kfpkg, Member
from k210sim.flash.storage import FlashStorage

pytestmark = pytest.mark.skipif(os.name == "nt", reason="needs kill -9")


def digest(path):
    with FlashStorage(path) as storage:
        return hashlib.sha256(storage.nor.data).hexdigest()


def run(args, env, *, kill_after=None):
    child = subprocess.Popen(
        [sys.executable, "-m", "k210sim", *args], env=env,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )
    if kill_after is None:
        assert child.wait(60) == 0
        return
    time.sleep(kill_after)
    child.kill()
    child.wait()


def test_kill_9_while_flashing(tmp_path):
    path = tmp_path / "flash.bin"
    env = {**os.environ, "K210SIM_FLASH": str(path)}
    rng = random.Random(2)
    packages, digests = [], set()
    for n in range(2):
        name = tmp_path / f"{n}.kfpkg"
        name.write_bytes(Kfpkg.of([
            Member("a", 0x300000, rng.randbytes(1_500_000)),
            Member("b", 0x700003, rng.randbytes(700_000)),
        ]).build())
        packages.append(str(name))
        start = time.monotonic()
        run(["flash", packages[n]], env)
        took = time.monotonic() - start
        digests.add(digest(path))
    assert len(digests) == 2
    seen = set()
    for n in range(14):
        # most kills fall into the second half, where the saving is
        run(["flash", packages[n % 2]], env, kill_after=took * rng.uniform(0.3, 1.0))
        seen.add(digest(path))
        assert seen <= digests, "a torn image"
