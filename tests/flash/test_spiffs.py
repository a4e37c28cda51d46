"""SPIFFS: against a dictionary, remounted after every operation, cut at every step."""

from __future__ import annotations

import random

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from k210sim.clock import Clock
from k210sim.flash import spiffs_layout as L
from k210sim.flash.factory import factory_image
from k210sim.flash.nor import NorFlash, PowerCut
from k210sim.flash.spiffs import SpiffsVolume
from k210sim.flash.spiffs_layout import SpiffsFailure

W = L.O_WRONLY | L.O_CREAT | L.O_TRUNC
SMALL = 3 * L.BLOCK  # the smallest volume there is: the collector works from the start


def new_volume(size=SMALL, nor=None):
    nor = nor or NorFlash()
    volume = SpiffsVolume(nor, L.BASE, size)
    volume.format()
    volume.mount()
    return nor, volume


def remount(nor, size=SMALL):
    volume = SpiffsVolume(nor, L.BASE, size)
    volume.mount()
    return volume


def put(volume, name, data, chunk=None):
    with volume.open(name, W) as file:
        for at in range(0, len(data), chunk or max(1, len(data))):
            file.write(data[at : at + (chunk or len(data))])


def get(volume, name):
    with volume.open(name, L.O_RDONLY) as file:
        return file.read()


def content(volume):
    return {entry.name: get(volume, entry.name) for entry in volume.listdir()}


def failure(code):
    return pytest.raises(SpiffsFailure, match=rf"\({code}\)")


def pattern(seed, length):
    return random.Random(seed).randbytes(length)


NAMES = ["/a", "/b.py", "/dir/c", "/ä", "/" + "n" * 126]


class SpiffsMachine(RuleBasedStateMachine):
    """Random operations on a small volume; the dictionary is the truth."""

    def __init__(self):
        super().__init__()
        self.nor, self.volume = new_volume()
        self.model = {}

    def attempt(self, name, new, action):
        """Run a writing action; the volume may be full, but then nothing else breaks."""
        try:
            action()
        except SpiffsFailure as error:
            assert error.code == L.FULL
            self.volume = remount(self.nor)
            left = content(self.volume)
            for other, data in self.model.items():
                if other != name:
                    assert left[other] == data
            self.model = left
        else:
            self.model[name] = new

    @rule(name=st.sampled_from(NAMES), seed=st.integers(0, 99),
          length=st.sampled_from([0, 1, 300, 4090, 4091, 4092, 9000, 30000]),
          chunk=st.sampled_from([None, 100, 4096, 5000]))
    def write_file(self, name, seed, length, chunk):
        data = pattern(seed, length)
        self.attempt(name, data, lambda: put(self.volume, name, data, chunk))

    @rule(name=st.sampled_from(NAMES), at=st.integers(0, 40000), seed=st.integers(0, 99),
          length=st.integers(1, 9000))
    def overwrite(self, name, at, seed, length):
        old = self.model.get(name)
        if old is None:
            return
        at, data = min(at, len(old)), pattern(seed, length)

        def action():
            with self.volume.open(name, L.O_RDWR) as file:
                file.seek(at)
                file.write(data)

        self.attempt(name, old[:at] + data + old[at + length :], action)

    @rule(name=st.sampled_from(NAMES), seed=st.integers(0, 99), length=st.integers(1, 6000))
    def append(self, name, seed, length):
        if name not in self.model:
            return
        data = pattern(seed, length)

        def action():
            with self.volume.open(name, L.O_WRONLY | L.O_APPEND) as file:
                file.write(data)

        self.attempt(name, self.model[name] + data, action)

    @rule(name=st.sampled_from(NAMES))
    def remove(self, name):
        if name in self.model:
            self.volume.remove(name)
            del self.model[name]
        else:
            with failure(L.NOT_FOUND):
                self.volume.remove(name)

    @rule(old=st.sampled_from(NAMES), new=st.sampled_from(NAMES))
    def rename(self, old, new):
        if old not in self.model:
            with failure(L.NOT_FOUND):
                self.volume.rename(old, new)
        elif new in self.model:
            with failure(L.CONFLICTING_NAME):
                self.volume.rename(old, new)
        else:
            try:
                self.volume.rename(old, new)
            except SpiffsFailure as error:
                assert error.code == L.FULL
            else:
                self.model[new] = self.model.pop(old)

    @rule()
    def remount_changes_nothing(self):
        before = bytes(self.nor.data)
        self.volume = remount(self.nor)
        assert self.nor.data == before

    @invariant()
    def same(self):
        assert content(self.volume) == self.model
        assert content(remount(self.nor)) == self.model


SpiffsMachine.TestCase.settings = settings(max_examples=25, stateful_step_count=20, deadline=None)
TestSpiffsMachine = SpiffsMachine.TestCase


# -- power cuts ---------------------------------------------------------------------------------


def write_new(volume):
    put(volume, "/new", pattern(1, 5000))


def overwrite(volume):
    with volume.open("/old", L.O_RDWR) as file:
        file.seek(100)
        file.write(pattern(2, 4500))


def append(volume):
    with volume.open("/old", L.O_WRONLY | L.O_APPEND) as file:
        file.write(pattern(3, 5000))


def rename(volume):
    volume.rename("/old", "/renamed")


def remove(volume):
    volume.remove("/old")


def truncate(volume):
    volume.open("/old", W).close()


OLD = pattern(0, 6000)
ALLOWED = {
    # what /old (or /new, /renamed) may hold after the cut; None: the file does not exist
    write_new: [{}, {"/new": b""}, {"/new": pattern(1, 5000)}],
    overwrite: [{"/old": OLD}, {"/old": OLD[:100] + pattern(2, 4500) + OLD[4600:]}],
    append: [{"/old": OLD}, {"/old": OLD + pattern(3, 5000)}],
    rename: [{"/old": OLD}, {"/renamed": OLD}],
    remove: [{"/old": OLD}, {}],
    truncate: [{"/old": OLD}, {"/old": b""}],
}


def prepared(action, size):
    nor, volume = new_volume(size)
    put(volume, "/other", pattern(9, 9000))
    if action is not write_new:
        put(volume, "/old", OLD)
    volume.unmount()
    return nor


def cut_points(nor, size, action):
    """Steps at which to cut: about every flash operation of `action`, at and inside it."""
    volume = remount(nor, size)
    points, base = {0}, 1 << 40
    nor.cut_power_after(base)
    real_write, real_erase = nor.write, nor.erase

    def note(offsets):
        points.update(base - nor._steps_left + n for n in offsets)

    def write(addr, data):
        # Only bytes that change matter: cut before, inside and after them.
        inside = addr % 4096
        note({0, inside, inside + 1, inside + len(data) // 2, inside + len(data)})
        real_write(addr, data)

    def erase(addr, length):
        note({0, 1})
        real_erase(addr, length)

    nor.write, nor.erase = write, erase
    action(volume)
    total = base - nor._steps_left
    points = sorted(p for p in points if p <= total)
    chosen = random.Random(4).sample(points, min(len(points), 90))
    return sorted({*points[:8], *points[-8:], *chosen, total})


@pytest.mark.parametrize("blocks", [3, 8], ids=["collecting", "roomy"])
@pytest.mark.parametrize("action", ALLOWED, ids=lambda a: a.__name__)
def test_power_cut_leaves_old_or_new(action, blocks):
    """With three blocks every operation collects garbage first, with eight none does."""
    size = blocks * L.BLOCK
    nor = prepared(action, size)
    image = nor.read(L.BASE, size)
    points = cut_points(NorFlash(data=nor.data), size, action)
    seen = set()
    for steps in points:
        nor.cut_power_after(None)
        nor._data[L.BASE : L.BASE + size] = image
        volume = remount(nor, size)
        nor.cut_power_after(steps)
        try:
            action(volume)
        except PowerCut:
            pass
        nor.cut_power_after(None)
        after = content(remount(nor, size))
        other = after.pop("/other")
        assert other == pattern(9, 9000)
        assert after in ALLOWED[action], f"after {steps} of {points[-1]} steps"
        seen.add(ALLOWED[action].index(after))
        # and the volume goes on working
        again = remount(nor, size)
        put(again, "/later", b"later")
        assert get(remount(nor, size), "/later") == b"later"
    assert {0, len(ALLOWED[action]) - 1} <= seen


def test_power_cut_in_format_is_seen_at_mount():
    nor, volume = new_volume()
    volume.unmount()
    nor.cut_power_after(3)
    with pytest.raises(PowerCut):
        volume.format()
    nor.cut_power_after(None)
    # one block is lost: mended; formatting again always works
    remount(nor)
    nor.erase(L.BASE, 2 * L.BLOCK)
    with failure(L.NOT_A_FS):
        remount(nor)
    volume.format()
    assert content(remount(nor)) == {}


# -- limits and errors ----------------------------------------------------------------------------


def test_layout_of_a_fresh_volume():
    nor, volume = new_volume(L.SIZE)
    for block, magic in ((0, 0x1531), (1, 0x153E), (23, 0x1528)):
        at = L.BASE + block * L.BLOCK + 0xFFC
        assert nor.read(at, 4) == magic.to_bytes(2, "little") + b"\0\0"
    put(volume, "/main.py", b"print(1)\n")
    first = nor.read(L.BASE, 4)
    assert first == bytes.fromhex("01800100")  # lookup: index of object 1, data of object 1
    index = nor.read(L.BASE + 0x1000, 0x1000)
    assert index[:5] == bytes.fromhex("01800000f8")
    assert index[8:12] == (9).to_bytes(4, "little") and index[12] == 1
    assert index[13:22] == b"/main.py\0" and index[142:146] == b"\x02\x00\xff\xff"
    assert nor.read(L.BASE + 0x2000, 14) == bytes.fromhex("01000000fc") + b"print(1)\n"


def test_numbers_of_a_full_volume():
    """statvfs counts 21 blocks, and about 2650112 bytes fit (measured with the real code)."""
    nor, volume = new_volume(L.SIZE)
    assert volume.info() == (683 * 4091, 0)
    put(volume, "/boot.py", b"x" * 15000)
    written = 0
    with pytest.raises(SpiffsFailure) as error:
        file = volume.open("/big", W)
        while True:
            written += file.write(pattern(written, 4096))
    assert error.value.code == L.FULL
    assert written == 2650112
    volume.remove("/big")
    put(volume, "/big", b"y" * 100_000)
    assert get(remount(nor, L.SIZE), "/big") == b"y" * 100_000


def test_two_descriptors():
    _, volume = new_volume()
    put(volume, "/a", b"a")
    one, two = volume.open("/a", L.O_RDONLY), volume.open("/b", W)
    for call in (lambda: volume.open("/a", L.O_RDONLY), lambda: volume.remove("/a"),
                 lambda: volume.rename("/a", "/c")):
        with failure(L.OUT_OF_FILE_DESCS):
            call()
    assert volume.stat("/a").size == 1
    one.close()
    volume.open("/a", L.O_RDONLY).close()
    two.close()


def test_codes():
    _, volume = new_volume()
    put(volume, "/a", b"abc")
    with failure(L.NOT_FOUND):
        volume.open("/x", L.O_RDONLY)
    with failure(L.NOT_FOUND):
        volume.open("/x", L.O_WRONLY | L.O_APPEND)
    with failure(L.FILE_EXISTS):
        volume.open("/a", L.O_WRONLY | L.O_CREAT | L.O_EXCL)
    with failure(L.NAME_TOO_LONG):
        volume.open("/" + "n" * 127, W)
    with failure(L.MOUNTED):
        volume.format()
    file = volume.open("/a", L.O_RDONLY)
    with failure(L.NOT_WRITABLE):
        file.write(b"x")
    with failure(L.SEEK_BOUNDS):
        file.seek(-1)
    with failure(L.END_OF_OBJECT):
        file.seek(99)
    assert file.tell() == 3 and file.read() == b""
    assert file.seek(-2, 2) == 1 and file.read(1) == b"b" and file.seek(-1, 1) == 1
    file.close()
    with failure(L.FILE_CLOSED):
        file.read()
    with failure(L.FILE_CLOSED):
        file.close()
    writer = volume.open("/a", L.O_WRONLY)
    with failure(L.NOT_READABLE):
        writer.read()
    volume.remove("/a")
    with failure(L.FILE_CLOSED):
        writer.write(b"x")
    volume.unmount()
    with failure(L.NOT_MOUNTED):
        volume.listdir()


def test_small_writes_wait_in_the_cache():
    nor, volume = new_volume()
    file = volume.open("/log", W)
    for n in range(100):
        file.write(b"%03d\n" % n)
    assert volume.stat("/log").size == 0 and file.tell() == 400
    programmed = nor.pages_programmed
    file.flush()
    assert nor.pages_programmed > programmed
    assert volume.stat("/log").size == 400
    file.close()


def test_two_handles_see_one_file():
    _, volume = new_volume()
    writer = volume.open("/f", W)
    reader = volume.open("/f", L.O_RDONLY)
    writer.write(b"hello")
    assert reader.read() == b"hello"  # reading flushes the cache, which belongs to the file
    writer.write(b" world")
    writer.close()
    assert reader.read() == b" world"
    reader.close()


def test_sync_is_called_when_data_is_safe():
    calls = []
    volume = SpiffsVolume(NorFlash(), L.BASE, SMALL, on_sync=lambda: calls.append(1))
    volume.format()
    volume.mount()
    count = len(calls)
    put(volume, "/a", b"x")
    volume.rename("/a", "/b")
    volume.remove("/b")
    assert len(calls) >= count + 3


def test_damaged_pages_give_the_firmwares_codes():
    nor, volume = new_volume()
    put(volume, "/a", pattern(0, 9000))
    page = volume._find(b"/a").pages[1]  # the second data page loses its header
    nor.write(L.BASE + page * L.PAGE, b"\xff" * 5)
    volume = remount(nor)
    with volume.open("/a", L.O_RDONLY) as file:
        assert file.read(4091) == pattern(0, 9000)[:4091]
        with failure(L.IS_FREE):
            file.read(1)
    volume.remove("/a")
    assert content(remount(nor)) == {}


def test_random_bytes_never_hang_or_crash():
    rng = random.Random(7)
    base, volume = new_volume()
    put(volume, "/a", pattern(0, 20000))
    put(volume, "/b", b"")
    image = base.state()
    nor = NorFlash()
    for _ in range(60):
        nor.load_state(image)
        for _ in range(rng.randrange(1, 30)):
            at = L.BASE + rng.choice([rng.randrange(64), 0x1000 + rng.randrange(160),
                                      rng.randrange(SMALL)])
            nor.write(at, rng.randbytes(rng.randrange(1, 4)))
        try:
            volume = remount(nor)
            for entry in volume.listdir():
                volume.stat(entry.name)
                with volume.open(entry.name, L.O_RDONLY) as file:
                    file.read()
        except SpiffsFailure:
            pass


def test_wear_is_spread():
    nor, volume = new_volume(6 * L.BLOCK)
    for n in range(400):
        put(volume, "/state", pattern(n, 3000))
    counts = nor.erase_counts[L.BASE // 4096 : (L.BASE + 6 * L.BLOCK) // 4096]
    lookups = [counts[block * 32] for block in range(6)]
    assert max(lookups) - min(lookups) <= 3


def test_time_goes_to_the_clock():
    clock = Clock()
    _, volume = new_volume(L.SIZE, nor=NorFlash(clock))
    start = clock.now_ns
    put(volume, "/a", b"x" * 100)
    assert 10_000_000 < clock.now_ns - start < 1_000_000_000


def test_factory_image():
    image = factory_image(b"model bytes", b"print('hi')\n")
    assert image == factory_image(b"model bytes", b"print('hi')\n")
    assert image[0x300000:0x30000B] == b"model bytes" and image[:4096] == b"\xff" * 4096
    assert content(remount(NorFlash(data=image), L.SIZE)) == {"/main.py": b"print('hi')\n"}
    assert content(remount(NorFlash(data=factory_image(b"", b"")), L.SIZE)) == {}


def test_shipped_factory_image_has_model_and_demo():
    from k210sim.flash.flash_map import read_map

    found = read_map(factory_image())
    assert [(r.kind, r.start) for r in found.regions] == [
        ("kmodel V3", 0x300000), ("spiffs", 0xD00000)
    ]
    assert "/main.py" in found.regions[1].detail and not found.problems


def test_every_code_has_words_and_an_errno():
    assert set(L.ERRNO) <= set(L.ERRORS)
    assert SpiffsFailure(L.FULL).errno == 28
    assert SpiffsFailure(L.DELETED).errno == 5
    assert "no such file" in str(SpiffsFailure(L.NOT_FOUND, "/x"))


def test_a_damaged_page_leaves_the_other_files_alone():
    """Every page in use in turn: zeroed, erased, random. What does not own it is intact, and the
    volume can be written again; the lookup page of a block may cost that block."""
    rng = random.Random(11)
    base, volume = new_volume()
    files = {"/a": pattern(1, 9000), "/b": pattern(2, 300), "/c": pattern(3, 4091), "/d": b""}
    for name, data in files.items():
        put(volume, name, data)
    owners = {p: f.name.decode() for f in volume._files.values() for p in [f.page, *f.pages]}
    image = bytes(base.data[L.BASE : L.BASE + SMALL])
    nor = NorFlash(data=base.data)
    assert len(owners) == 9
    for page in [0, *owners, 32]:  # 0 and 32 are lookup pages
        at = L.BASE + page * L.PAGE
        old = bytes(nor.data[at : at + L.PAGE])
        header = old[:5] + rng.randbytes(20) + old[25:]
        for damage in (bytes(L.PAGE), b"\xff" * L.PAGE, rng.randbytes(L.PAGE), header):
            nor._data[L.BASE : L.BASE + SMALL] = image
            nor.write(at, damage)
            try:
                volume = remount(nor)
            except SpiffsFailure as error:
                assert page in (0, 32) and error.code == L.NOT_A_FS
                continue
            for name, data in files.items():
                if page not in (0, 32) and owners[page] != name:
                    assert get(volume, name) == data, (page, name)
            for entry in volume.listdir():
                try:
                    get(volume, entry.name)
                except SpiffsFailure:
                    assert page in (0, 32) or owners[page] == entry.name
            put(volume, "/after", b"still works")
            assert get(remount(nor), "/after") == b"still works"


def test_a_nearly_full_volume_takes_as_many_files_as_with_the_original():
    """pellepl/spiffs on the same image: ten files of one byte fit, then it is full."""
    nor, volume = new_volume(24 * L.BLOCK)
    put(volume, "/fill", bytes(4091 * 660))
    volume.unmount()
    volume = remount(nor, 24 * L.BLOCK)
    for n in range(10):
        put(volume, f"/{n}", b"x")
    with failure(L.FULL):
        put(volume, "/10", b"x")
    assert volume.info() == (2794153, 2785971)
