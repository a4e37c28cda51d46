"""Every recorded session of the firmware, typed at a board with the real runtime."""

from __future__ import annotations

import pytest
from repl_replay import SHARED_SESSIONS, BoardDevice, differences, steps


@pytest.mark.parametrize("name", SHARED_SESSIONS or ["none"])
def test_recorded_session(shared, name):
    session = steps(shared / "golden" / "maixpy" / "repl" / f"{name}.jsonl")
    with BoardDevice(session) as device:
        assert not differences(device, session)
