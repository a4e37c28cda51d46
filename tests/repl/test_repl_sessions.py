"""The prompt against recorded sessions of the firmware."""

from __future__ import annotations

import pytest
from repl_replay import Device, differences, steps
from repl_standin import StandInInterpreter

# Sessions about the prompt itself, for which the stand-in answers as the firmware does.
EDITING = """
banner_ctrl_b banner_reset block_cancel block_class block_nested block_while bytes_crlf
bytes_ctrl ctrl_c_loop edit_arrows edit_bs edit_ctrl_d_mid edit_ctrl_fb edit_ctrl_pn edit_ctrl_w
edit_home_end history_basic history_block history_edit history_limit indent_auto
long_list multiline_backslash multiline_paren paste_basic paste_edit paste_error raw_again
raw_basic raw_empty raw_interrupt raw_multiline typeahead
""".split()


@pytest.mark.parametrize("name", EDITING)
def test_recorded_session_of_the_prompt(shared, name):
    session = steps(shared / "golden" / "maixpy" / "repl" / f"{name}.jsonl")
    with Device(StandInInterpreter) as device:
        assert not differences(device, session)
