"""`machine.SDCard`: the card in the slot; only its type is there, none can be made.

The firmware probes the card on its second core while the program goes on; here it is mounted when
the call returns. Source: MaixPy-v1 v0.6.3 port/src/standard_lib/machine/machine_sdcard.c,
port/src/maixpy_main.c (mount_sdcard).
"""

from __future__ import annotations

from k210sim.micropython.native import GuestType, method
from k210sim.modules.vfs_fat import mount_card
from k210sim.sd import BLOCK

INIT, DEINIT, SYNC, BLOCK_COUNT, BLOCK_SIZE = 1, 2, 3, 4, 5
FAILED = -1


class SDCard(GuestType):
    """The type; `remount` and `ioctl` are called on it."""

    name = "SDCard"
    core_name = "machine.SDCard"

    @method(0)
    def remount(vm):
        """Look for a card again and mount it at /sd. Nothing happens when there is none."""
        slot = getattr(vm.board, "sd", None)
        if slot is not None:
            mount_card(vm, slot)

    @method(3)
    def ioctl(vm, self, command, argument):
        """Card there and ready, block count, block size; -1 for what it does not know."""
        slot = getattr(vm.board, "sd", None)
        there = slot is not None and slot.inserted
        answers = {INIT: 0 if there else FAILED, DEINIT: 0, SYNC: 0,
                   BLOCK_COUNT: slot.block_count if there else 0, BLOCK_SIZE: BLOCK}
        return vm.new_int(answers.get(vm.get_int(command), FAILED))

    def make_new(self, vm, type_word, args, kw):
        raise vm.error("TypeError", "cannot create '%s' instances" % self.name)


