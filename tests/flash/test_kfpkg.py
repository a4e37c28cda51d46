"""kfpkg: what is read, what is refused, and that building is reproducible."""

from __future__ import annotations

import io
import json
import zipfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from k210sim.errors import FlashError, HostError, KfpkgError
from k210sim.flash import boot_image, program
from k210sim.flash.kfpkg import Kfpkg, Member, lint
from k210sim.flash.nor import SIZE, NorFlash


def package(files: dict, listing=None, *, method=zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
        if listing is not None:
            text = listing if isinstance(listing, (str, bytes)) else json.dumps(listing)
            archive.writestr("flash-list.json", text)
    return out.getvalue()


def entry(name="a.bin", address=0x300000, prefix=False, **more):
    return {"address": address, "bin": name, "sha256Prefix": prefix, **more}


def files(*entries):
    return {"version": "0.1.0", "files": list(entries)}


GOOD = package({"a.bin": b"hello"}, files(entry()))
WRAPPED = boot_image.wrap(b"\x13\x00\x00\x00" * 32)


def spoiled_member() -> bytes:
    raw = bytearray(package({"a.bin": b"Q" * 500}, files(entry()), method=zipfile.ZIP_STORED))
    raw[raw.index(b"Q" * 500) + 100] = 0
    return bytes(raw)


def lying_size() -> bytes:
    """The central directory announces fewer bytes than the member unpacks to."""
    raw = bytearray(package({"a.bin": b"Q" * 5000}, files(entry())))
    central = raw.index(b"PK\x01\x02")
    raw[central + 24 : central + 28] = (1000).to_bytes(4, "little")
    return bytes(raw)


def encrypted() -> bytes:
    raw = bytearray(package({"a.bin": b"Q" * 50}, files(entry())))
    central = raw.index(b"PK\x01\x02")
    raw[central + 8] |= 1
    return bytes(raw)


def twice() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive, pytest.warns(UserWarning):
        archive.writestr("flash-list.json", json.dumps(files(entry())))
        archive.writestr("a.bin", b"one")
        archive.writestr("a.bin", b"two")
    return out.getvalue()


BAD = {
    "empty file": (b"", "not a zip"),
    "text": (b"this is no archive at all", "not a zip"),
    "cut short": (GOOD[: len(GOOD) // 2], "not a zip"),
    "no list": (package({"a.bin": b"x"}), "no flash-list.json"),
    "list in a folder": (package({"x/flash-list.json": "{}"}), "no flash-list.json"),
    "list no text": (package({}, b"\xff\xfe\x80"), "not UTF-8"),
    "list no JSON": (package({}, "{files: 1"), "not JSON"),
    "list too deep": (package({}, "[" * 100_000), "not JSON"),
    "list huge": (package({}, " " * 300_000), "unpacks to 300000"),
    "list is a list": (package({}, "[]"), "expected an object"),
    "no files": (package({}, {"version": "1"}), 'no list "files"'),
    "files a number": (package({}, {"files": 3}), 'no list "files"'),
    "nothing listed": (package({}, files()), "lists 0 files"),
    "too many": (package({"a.bin": b"x"}, files(*[entry()] * 65)), "lists 65 files"),
    "entry a string": (package({}, files("a.bin")), "expected an object"),
    "no name": (package({}, files({"address": 1, "sha256Prefix": False})), '"bin" is None'),
    "name a number": (package({}, files(entry(7))), '"bin" is 7'),
    "missing member": (package({"b.bin": b"x"}, files(entry())), "'a.bin', which is not in"),
    "no address": (
        package({"a.bin": b"x"}, files({"bin": "a.bin", "sha256Prefix": False})),
        '"address" is None',
    ),
    "address true": (package({"a.bin": b"x"}, files(entry(address=True))), '"address" is True'),
    "address a fraction": (package({"a.bin": b"x"}, files(entry(address=1.5))), "is 1.5"),
    "address words": (package({"a.bin": b"x"}, files(entry(address="high"))), "'high'"),
    "address negative": (package({"a.bin": b"x"}, files(entry(address=-4))), "the chip ends at"),
    "address past the end": (
        package({"a.bin": b"xy"}, files(entry(address=SIZE - 1))), "the chip ends at 0x01000000",
    ),
    "hash past the end": (
        package({"a.bin": b"xy"}, files(entry(address=SIZE - 20, prefix=True))), "the chip ends",
    ),
    "address absurd": (package({"a.bin": b"x"}, files(entry(address=10**30))), "the chip ends"),
    "no prefix flag": (
        package({"a.bin": b"x"}, files({"bin": "a.bin", "address": 0})),
        '"sha256Prefix" is missing',
    ),
    "prefix a number": (package({"a.bin": b"x"}, files(entry(prefix=1))), '"sha256Prefix" is 1'),
    "empty member": (package({"a.bin": b""}, files(entry())), "'a.bin' is empty"),
    "overlap": (
        package({"a.bin": bytes(100), "b.bin": b"x"},
                files(entry(), entry("b.bin", 0x300063))),
        "'a.bin' (0x00300000..0x00300064) and 'b.bin' (0x00300063..0x00300064) overlap",
    ),
    "overlap by the hash": (
        package({"a.bin": bytes(100), "b.bin": b"x"},
                files(entry("b.bin", 0x80), entry(address=0, prefix=True))),
        "overlap",
    ),
    "same file twice at one place": (package({"a.bin": b"x"}, files(entry(), entry())), "overlap"),
    "wrong SHA in the list": (
        package({"a.bin": b"x"}, files(entry(sha256="0" * 64))), "'a.bin' has SHA-256 2d711642",
    ),
    "no SHA": (package({"a.bin": b"x"}, files(entry(sha256="zz"))), "expected 64 hex digits"),
    "wrong SHA in the image": (
        package({"a.bin": WRAPPED[:-1] + bytes([WRAPPED[-1] ^ 1])}, files(entry(address=0))),
        "SHA-256 does not match",
    ),
    "damaged member": (spoiled_member(), "'a.bin' is damaged"),
    "size lies": (lying_size(), "'a.bin'"),
    "encrypted": (encrypted(), "encrypted"),
    "odd method": (
        package({"a.bin": b"x" * 99}, files(entry()), method=zipfile.ZIP_BZIP2), "zip method 12",
    ),
    "bomb": (package({"a.bin": bytes(SIZE + 1)}, files(entry(address=0))), "more than 16777216"),
    "many bombs": (
        package({f"{i}": bytes(SIZE // 2) for i in range(3)},
                files(*[entry(f"{i}", i) for i in range(3)])),
        "more than 16777216 bytes",
    ),
    "twice in the archive": (twice(), "'a.bin' twice"),
    "a key twice": (
        package({"a.bin": b"x"}, '{"files": [{"bin": "a.bin", "address": 1, "address": 2}]}'),
        'the key "address" twice',
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_damaged_packages_are_refused_with_one_line(case, tmp_path):
    data, message = BAD[case]
    path = tmp_path / "bad.kfpkg"
    path.write_bytes(data)
    with pytest.raises(KfpkgError) as error:
        program.plan(path)
    text = str(error.value)
    assert message in text
    assert "\n" not in text and len(text) < 300
    assert str(path) in text


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_any_damage_is_a_kfpkg_error_or_harmless(data):
    raw = bytearray(GOOD)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(raw) - 1))
        raw[at] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(raw)))
    raw = raw[: len(raw) if data.draw(st.booleans()) else cut]
    try:
        read = Kfpkg.read(bytes(raw))
    except KfpkgError as error:
        assert "\n" not in str(error)
    else:
        assert all(m.end <= SIZE for m in read.members)


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=200) | st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=9) | st.floats(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(
        st.sampled_from(["files", "address", "bin", "sha256Prefix", "x"]), inner, max_size=4),
).map(json.dumps))
def test_any_list_is_read_or_refused(text):
    try:
        Kfpkg.read(package({"a.bin": b"abc"}, text.encode("utf-8", "surrogatepass")))
    except KfpkgError as error:
        assert "\n" not in str(error)


@pytest.mark.parametrize("spelling", ["0x300000", "3145728", '"0x300000"', '"3145728"'])
@pytest.mark.parametrize("gap", ["", " ", "  "])
def test_all_spellings_of_an_address(spelling, gap):
    text = '{"files":[{"address":' + gap + spelling + ',"bin":"a.bin","sha256Prefix":false}]}'
    assert Kfpkg.read(package({"a.bin": b"x"}, text)).members[0].address == 0x300000


names = st.text("abcdefgh.-_0123456789ä ", min_size=1, max_size=20)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(names, st.binary(min_size=1, max_size=300), st.booleans(),
                          st.booleans(), st.integers(0, 500)),
                min_size=1, max_size=6, unique_by=lambda t: t[0]), st.booleans())
def test_build_and_read_are_inverse(raw, checksums):
    members, at = [], 0
    for name, data, prefix, reverse, gap in raw:
        member = Member(name, at + gap, data, prefix, reverse)
        members.append(member)
        at = member.end
    built = Kfpkg.of(members).build(checksums=checksums)
    assert built == Kfpkg.of(members).build(checksums=checksums)
    again = Kfpkg.read(built)
    assert list(again.members) == members
    assert Kfpkg.read(again.build()).members == again.members
    assert not [r for r in lint(again) if "kflash wants" in r]


def test_build_bytes_do_not_change():
    """All but the compressed streams, which depend on the zlib in use."""
    built = Kfpkg.of([Member("m.kmodel", 0x300000, b"abc")]).build()
    with zipfile.ZipFile(io.BytesIO(built)) as archive:
        infos = archive.infolist()
        text = archive.read("flash-list.json")
    assert [(i.filename, i.date_time, i.create_system, i.external_attr) for i in infos] == [
        ("flash-list.json", (2019, 1, 1, 0, 0, 0), 3, 0o644 << 16),
        ("m.kmodel", (2019, 1, 1, 0, 0, 0), 3, 0o644 << 16),
    ]
    assert text == (
        b'{\n    "version": "0.1.0",\n    "files": [\n        {\n'
        b'            "address": 0x00300000,\n            "bin": "m.kmodel",\n'
        b'            "sha256Prefix": false\n        }\n    ]\n}\n'
    )


REAL = {
    "face_model_at_0x300000.kfpkg": (0x300000, "face_v3.kmodel", False),
    "face_model_be_at_0x600000.kfpkg": (0x600000, "face_v3.kmodel", True),
    "20class_at_0x500000.kfpkg": (0x500000, "20class_v3.kmodel", False),
}


@pytest.mark.parametrize("name", REAL)
def test_real_packages_program_right(shared, name):
    address, model, reverse = REAL[name]
    nor = NorFlash()
    nor.program(0x300000 - 4, b"keep")
    program.apply(nor, program.plan(shared / "models" / name))
    wanted = (shared / "models" / model).read_bytes()
    if reverse:
        wanted = b"".join(wanted[i : i + 4][::-1] for i in range(0, len(wanted), 4))
    assert nor.read(address, len(wanted)) == wanted
    assert nor.read(0x300000 - 4, 4) == b"keep"
    assert nor.read(address + len(wanted), 64) == b"\xff" * 64


def test_prefix_wraps_the_member():
    parts = program.plan(package({"a.bin": b"code"}, files(entry(address=0, prefix=True))))
    assert parts[0].data == boot_image.wrap(b"code") and parts[0].what == "firmware"
    assert boot_image.read_boot_image(parts[0].data).payload == b"code"


@pytest.mark.parametrize(
    ("member", "remark"),
    [
        (Member("a", 0xCFFFF0, bytes(32)), "overlaps the file system"),
        (Member("a", 0, bytes(32)), "will not boot"),
        (Member("a", 0x200000, bytes(32)), "is below 0x00300000"),
        (Member("a", 0x300000, bytes(32), True), "puts a firmware header in front"),
        (Member("a", 0, WRAPPED, True), "adds a second one"),
        (Member("a", 0x300000, bytes(32), False, True), "reverse4Bytes is ignored"),
        (Member("a", 0x300004, bytes(32)), "not a multiple of 0x1000"),
        (Member("a.kmodel", 0x300000, bytes(32)), "its bytes do not"),
        *((Member(name, 0x300000, b"x"), "the name is a path")
          for name in ("../a", "/etc/a", "d/a", "d\\a", "c:a", "..")),
    ],
)
def test_lint_remarks(member, remark):
    assert any(remark in text for text in lint(Kfpkg.of([member])))


def test_lint_is_silent_about_a_good_package():
    assert lint(Kfpkg.of([Member("fw.bin", 0, bytes(64), True),
                          Member("x.dat", 0x300000, b"x")])) == []


def test_lint_sees_a_cut_model(shared):
    model = (shared / "models" / "tiny8x8_v3.kmodel").read_bytes()
    assert lint(Kfpkg.of([Member("m.kmodel", 0x300000, model)])) == []
    remarks = lint(Kfpkg.of([Member("m.kmodel", 0x300000, model[:-20])]))
    assert any("is cut off" in text for text in remarks)


@pytest.mark.parametrize(
    ("list_text", "remark"),
    [
        ('{"files":[{"address": 3,"bin":"a","sha256Prefix":false}]}', "a line of its own"),
        ('{\n"files":[{\n"address":3,\n"bin":"a",\n"sha256Prefix":false}]}', "exactly one blank"),
        ('{\n"files":[{\n"bin":"a",\n"sha256Prefix":false,\n"address": 0x3\n}]}', "a comma after"),
    ],
)
def test_lint_knows_what_kflash_cannot_read(list_text, remark):
    assert any(remark in text for text in lint(Kfpkg.read(package({"a": b"x"}, list_text))))


def test_plan_of_bare_files(tmp_path):
    binary = tmp_path / "maixpy.bin"
    binary.write_bytes(b"\x6f\x00\x00\x00" * 40)
    (part,) = program.plan(binary)
    assert (part.address, part.what) == (0, "firmware")
    assert boot_image.read_boot_image(part.data).payload == binary.read_bytes()
    wrapped = tmp_path / "wrapped.bin"
    wrapped.write_bytes(WRAPPED)
    assert program.plan(wrapped)[0].data == WRAPPED
    assert program.plan(binary, 0x400000)[0].data == binary.read_bytes()
    with pytest.raises(HostError, match="give --addr"):
        program.plan(b"whatever", name="notes.txt")
    with pytest.raises(FlashError, match="its bytes do not"):
        program.plan(b"whatever", name="m.kmodel")
    with pytest.raises(HostError, match="ELF"):
        program.plan(b"\x7fELF....", name="fw.elf")
    with pytest.raises(FlashError, match="does not fit"):
        program.plan(bytes(8), SIZE - 4, "x.bin")
    with pytest.raises(FlashError, match="empty"):
        program.plan(b"", 0, "x.bin")
    with pytest.raises(HostError, match="own addresses"):
        program.plan(GOOD, 0x300000)
    with pytest.raises(HostError, match="cannot be read"):
        program.plan(tmp_path / "missing.bin")


def test_plan_all_refuses_overlapping_files(tmp_path):
    for name in ("a.dat", "b.kfpkg"):
        (tmp_path / name).write_bytes(GOOD)
    with pytest.raises(FlashError, match="overlap"):
        program.plan_all([tmp_path / "b.kfpkg", tmp_path / "b.kfpkg"])
    with pytest.raises(HostError, match="--addr goes with one file"):
        program.plan_all([tmp_path / "a.dat", tmp_path / "b.kfpkg"], 0)
