"""`uos.VfsFat`: the FAT file system of SD cards. Its names are there; no card is simulated."""

from __future__ import annotations

from k210sim.micropython.native import GuestType, method


class VfsFat(GuestType):
    """A FAT volume on a block device of the guest's own: not simulated."""

    name = "VfsFat"

    def make_new(self, vm, type_word, args, kw):
        raise vm.not_simulated("uos.VfsFat()")

    @method(1, kind="static")
    def mkfs(vm, device):
        raise vm.not_simulated("uos.VfsFat.mkfs()")


def _missing(name: str):
    @method(1, None, name=name)
    def absent(vm, *args):
        raise vm.not_simulated("uos.VfsFat.%s()" % name)

    return absent


VfsFat.locals = {**VfsFat.locals, **{
    name: _missing(name) for name in (
        "open", "ilistdir", "mkdir", "rmdir", "chdir", "getcwd", "remove", "rename", "stat",
        "statvfs", "mount", "umount")}}
