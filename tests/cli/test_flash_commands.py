"""flash, flash-map, read, erase, fs and kfpkg on an image of their own."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from k210sim.cli import main as cli_main
from k210sim.flash import boot_image
from k210sim.flash.factory import factory_image
from k210sim.flash.kfpkg import Kfpkg, Member
from k210sim.flash.nor import SIZE
from k210sim.flash.storage import FlashStorage

FIRMWARE = bytes(range(256)) * 20


@pytest.fixture
def image(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "home" / "flash.bin"
    monkeypatch.setenv("K210SIM_FLASH", str(path))
    return path


@pytest.fixture
def call(image):
    def run(*args, input=None):
        return CliRunner().invoke(cli_main.cli, [str(a) for a in args], input=input)

    return run


def refused(result, *words):
    assert result.exit_code == 2, result.output
    assert result.stdout == "" and result.stderr.count("\n") == 1
    for word in words:
        assert word in result.stderr


def test_flash_and_read_back(call, image, tmp_path):
    (tmp_path / "fw.bin").write_bytes(FIRMWARE)
    result = call("flash", "fw.bin")
    assert result.exit_code == 0 and "firmware: fw.bin" in result.stdout
    assert image.read_bytes()[: len(FIRMWARE) + 37] == boot_image.wrap(FIRMWARE)
    result = call("flash", "fw.bin", "--addr", "0x400001", "--json")
    assert json.loads(result.stdout) == [
        {"file": "fw.bin", "address": 0x400001, "size": len(FIRMWARE), "what": "data"}
    ]
    assert call("read", "0x400001", len(FIRMWARE), "back.bin").exit_code == 0
    assert (tmp_path / "back.bin").read_bytes() == FIRMWARE
    # the rest of a factory image is still there
    assert image.read_bytes()[0x300000:0x300100] == factory_image()[0x300000:0x300100]


def test_package_and_model_go_where_they_belong(call, tmp_path):
    package = Kfpkg.of([Member("fw.bin", 0, FIRMWARE, True), Member("d", 0x500000, b"data")])
    (tmp_path / "a.kfpkg").write_bytes(package.build())
    model = factory_image()[0x300000:0x311DA8]
    (tmp_path / "m.kmodel").write_bytes(model)
    assert call("flash", "a.kfpkg", "m.kmodel").exit_code == 0
    found = json.loads(call("flash-map", "--json").stdout)
    starts = [(r["kind"], r["start"]) for r in found["regions"]]
    assert starts == [("firmware", 0), ("kmodel V3", 0x300000), ("data", 0x500000),
                      ("spiffs", 0xD00000)]
    assert found["problems"] == []


@pytest.mark.parametrize("damage", ["cut", "text", "address", "overlap", "missing"])
def test_a_refused_file_leaves_the_image_alone(call, image, tmp_path, damage):
    call("flash-map")
    before = image.read_bytes()
    good = Kfpkg.of([Member("a", 0x100000, b"x" * 5000)]).build()
    (tmp_path / "bad.kfpkg").write_bytes({
        "cut": good[:-30], "text": b"hello", "address": good, "overlap": good, "missing": good,
    }[damage])
    args = {
        "address": ["bad.kfpkg", "--addr", "0"],
        "overlap": ["bad.kfpkg", "bad.kfpkg"],
        "missing": ["bad.kfpkg", "not-there.bin"],
    }.get(damage, ["bad.kfpkg"])
    refused(call("flash", *args))
    assert image.read_bytes() == before


def test_flash_map_shows_collisions(call, tmp_path):
    model = factory_image()[0x300000:0x311DA8]
    (tmp_path / "m.kmodel").write_bytes(model)
    result = call("flash", "m.kmodel", "--addr", "0xCF8000")
    assert result.exit_code == 0 and "reaches into the file system" in result.stderr
    result = call("flash-map")
    assert "problem: kmodel V3 0x00cf8000" in result.stdout and "overlap" in result.stdout


def test_flash_map_of_an_erased_chip(call):
    assert call("erase", "--all").exit_code == 0
    assert "the flash is erased" in call("flash-map").stdout


def test_erase(call, image):
    assert call("erase", "3M", "0x1000").exit_code == 0
    data = image.read_bytes()
    assert data[0x300000:0x301000] == b"\xff" * 4096 and data[0x301000:0x301010] != b"\xff" * 16
    before = data
    refused(call("erase", "0x300001", "0x1000"), "multiples of 0x1000")
    refused(call("erase", "0xFFF000", "0x2000"), "outside the chip")
    refused(call("erase", "0", "4096", "--all"), "or --all")
    assert image.read_bytes() == before


def test_read_refuses_before_it_writes(call, tmp_path):
    refused(call("read", SIZE, 1, "out.bin"), "outside the chip")
    assert not (tmp_path / "out.bin").exists()
    refused(call("read", 0, 1, "no/such/folder/out.bin"), "cannot be written")
    assert call("read", "0x300000", 4, "-").stdout_bytes == b"\x03\0\0\0"


def test_an_image_in_use_is_refused(call, image):
    with FlashStorage(image):
        refused(call("flash-map"), "another k210sim is using it")


def test_flash_image_option_and_settings_file(call, image, tmp_path):
    assert call("erase", "--all", "--flash-image", "other.bin").exit_code == 0
    assert (tmp_path / "other.bin").stat().st_size == SIZE and not image.exists()
    (tmp_path / "k210sim.toml").write_text('flash-image = "third.bin"\n')
    assert call("flash-map").exit_code == 0
    assert (tmp_path / "third.bin").exists() and not image.exists()
    (tmp_path / "k210sim.toml").write_text("flash-imgae = 1\n")
    refused(call("flash-map"), "k210sim.toml", "unknown setting")


def test_files_in_and_out(call, tmp_path):
    (tmp_path / "hello.py").write_bytes(b"print('hello')\n")
    assert call("fs", "put", "hello.py").stdout == "/flash/hello.py: 15 bytes\n"
    assert call("fs", "put", "-", "/flash/b.py", input="x").exit_code == 0
    files = json.loads(call("fs", "ls", "--json").stdout)["files"]
    assert {f["name"]: f["size"] for f in files}.items() >= {"/hello.py": 15, "/b.py": 1}.items()
    assert call("fs", "get", "/hello.py", "-").stdout == "print('hello')\n"
    assert call("fs", "get", "b.py").exit_code == 0 and (tmp_path / "b.py").read_bytes() == b"x"
    refused(call("fs", "rm", "b.py", "nothing"), "-10002")
    assert "/b.py" in call("fs", "ls").stdout  # all or nothing
    assert call("fs", "rm", "b.py", "hello.py").exit_code == 0
    assert "/b.py" not in call("fs", "ls").stdout
    refused(call("fs", "get", "b.py", "again.py"), "-10002")
    assert not (tmp_path / "again.py").exists()
    refused(call("fs", "get", "/sd/x"), "--sd")
    refused(call("fs", "mkdir", "d"), "has no folders")
    refused(call("fs", "ls", "d"), "has no folders")
    refused(call("fs", "put", "-"), "needs a NAME")


def test_a_full_volume_changes_nothing(call, image, tmp_path):
    call("fs", "ls")
    before = image.read_bytes()
    (tmp_path / "big").write_bytes(bytes(3 * 1024 * 1024))
    refused(call("fs", "put", "big"), "full")
    assert image.read_bytes() == before


def test_mkfs_asks(call):
    assert call("fs", "mkfs", input="n\n").exit_code == 130
    assert "/main.py" in call("fs", "ls").stdout
    assert call("fs", "mkfs", input="y\n").exit_code == 0
    assert "/main.py" not in call("fs", "ls").stdout
    call("erase", "--all")
    refused(call("fs", "ls"), "no file system", "mkfs")
    assert call("fs", "mkfs", "--yes").exit_code == 0
    assert call("fs", "ls").exit_code == 0


def test_pack_list_lint_unpack(call, tmp_path):
    (tmp_path / "fw.bin").write_bytes(FIRMWARE)
    (tmp_path / "m.dat").write_bytes(b"data")
    assert call("kfpkg", "pack", "a.kfpkg", "0=fw.bin", "3M=m.dat", "--sha256").exit_code == 0
    assert call("kfpkg", "pack", "b.kfpkg", "0=fw.bin", "3M=m.dat", "--sha256").exit_code == 0
    assert (tmp_path / "a.kfpkg").read_bytes() == (tmp_path / "b.kfpkg").read_bytes()
    listed = json.loads(call("kfpkg", "list", "a.kfpkg", "--json").stdout)
    assert [(m["name"], m["address"], m["sha256Prefix"]) for m in listed] == [
        ("fw.bin", 0, True), ("m.dat", 0x300000, False)
    ]
    assert call("kfpkg", "lint", "a.kfpkg").exit_code == 0
    assert call("kfpkg", "pack", "odd.kfpkg", "0x300001=m.dat").exit_code == 0
    result = call("kfpkg", "lint", "odd.kfpkg")
    assert result.exit_code == 1 and "not a multiple of 0x1000" in result.stdout
    assert call("kfpkg", "unpack", "a.kfpkg", "out").exit_code == 0
    assert (tmp_path / "out" / "fw.bin").read_bytes() == FIRMWARE
    refused(call("kfpkg", "unpack", "a.kfpkg", "out"), "exists")
    assert call("kfpkg", "unpack", "a.kfpkg", "out", "--force").exit_code == 0
    refused(call("kfpkg", "pack", "c.kfpkg", "m.dat"), "expected ADDR=FILE")
    refused(call("kfpkg", "pack", "c.kfpkg", "0=fw.bin", "16=m.dat"), "overlap")
    assert not (tmp_path / "c.kfpkg").exists()


@pytest.mark.parametrize("name", ["../evil", "/abs", "a/../../b", "..\\up", "C:evil", "dir/x"])
def test_unpack_never_leaves_the_folder(call, tmp_path, name):
    (tmp_path / "e.kfpkg").write_bytes(Kfpkg.of([Member(name, 0, b"x")]).build())
    refused(call("kfpkg", "unpack", "e.kfpkg", "deep/out"), "is a path")
    assert not (tmp_path / "deep").exists()


def test_the_real_package(call, shared):
    package = shared / "models" / "face_model_at_0x300000.kfpkg"
    assert "kmodel V3: facedetect.kmodel" in call("kfpkg", "list", package).stdout
    assert call("flash", package).exit_code == 0
    model = (shared / "models" / "face_v3.kmodel").read_bytes()
    assert call("read", 0x300000, len(model), "-").stdout_bytes == model
