"""math, cmath, ustruct, ubinascii, ujson, ure, urandom, uhashlib, uzlib and ucryptolib."""

from __future__ import annotations

import binascii
import gzip
import hashlib
import json
import re
import struct
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from k210sim.cipher import Aes
from k210sim.errors import NotSimulated
from k210sim.modules import regex, ucryptolib, urandom
from k210sim.modules.inflate import BadData, Inflater
from tests.golden.test_scripts import agrees
from tests.micropython.number_vm import make_vm, run

MODULES = ("math", "cmath", "ustruct", "ubinascii", "ujson", "ure", "urandom", "uhashlib",
           "uzlib", "ucryptolib", "array", "uio")

# Goldens of the device that this folder's code decides, by the start of their names.
GOLDENS = ("num_", "str_", "float_", "bytes_", "int_", "bigint", "bi_round", "bi_abs", "bi_chr",
           "bi_divmod", "bi_int", "bi_str", "bytearray_m", "mod_math", "mod_re", "re_use",
           "mod_struct", "struct_use", "mod_binascii", "random_seed", "hashlib_use", "mod_uzlib")

# Recorded answers that the published binary does not give (tests/golden/test_scripts.py).
DIFFERENT = ["float_fmt_table", "num_infnan"]


def masked(text: str) -> str:
    text = re.sub(r"0x[0-9a-f]{6,16}", "0xADDR", text)
    return re.sub(r"(?<=bound_method )[0-9a-f]+|\b80[0-9a-f]{6}\b", "ADDR", text)


def test_goldens_of_numbers_strings_and_their_modules(shared):
    folder = shared / "golden" / "maixpy" / "scripts"
    wrong = []
    for path in sorted(folder.glob("*.py")):
        if path.name.startswith(GOLDENS):
            said = path.with_suffix(".out").read_text()
            got = masked(run(path.read_text(), *MODULES))
            if not agrees(path.stem, got.strip(), said.strip()):
                wrong.append(path.stem)
    assert wrong == DIFFERENT


@pytest.fixture(scope="module")
def vm():
    return make_vm(*MODULES)[0]


def call(vm, module, name, *args):
    """Result word of a module function."""
    vm.temps.clear()
    function = vm.modules[module][2][vm.intern(name)]
    return vm.call(function, list(args))


# --- math, struct, binascii ---------------------------------
def test_math_domain_is_tested_by_log_only():
    out = run("""
import math
for f in (lambda: math.sqrt(-1), lambda: math.acos(2), lambda: math.log(0), lambda: math.log(-1),
          lambda: math.log(8, 1), lambda: math.log10(0), lambda: math.isnan(math.sqrt(-1)),
          lambda: math.isinf(1e39), lambda: math.floor(-1.5), lambda: math.exp(1000),
          lambda: math.gamma(5), lambda: math.ldexp(1, 200), lambda: math.floor(1e39)):
    try: print(f())
    except Exception as e: print(repr(e))
""", "math")
    inf, nan = "/.//////e+64", "//./////"
    assert out.splitlines() == [
        nan, nan, "ValueError('math domain error',)", "ValueError('math domain error',)",
        "ZeroDivisionError('divide by zero',)", "-" + inf, "False", "False", "-2", inf, "24.0",
        inf, "0"]


def test_hashes_and_powers_of_zero_as_the_published_binary_has_them():
    out = run("""
import math
print([hash(x) for x in (0.5, -0.5, -1.5, 3.999, 1e10, 1e19, -1e20, float("inf"), float("nan"))])
print(math.pow(0.0, -1), math.pow(-0.0, -2), math.pow(0.0, -float("inf")), math.pow(-1, 0 * 1e39))
""", "math")
    assert out == ("[0, 0, -1, 3, 10000000000, -1, 0, -1, -1]\n"
                   "-/.//////e+64 -/.//////e+64 /.//////e+64 1.0\n")


@settings(max_examples=100, deadline=None)
@given(order=st.sampled_from("<>"), codes=st.text("bBhHiIqQ", min_size=1, max_size=5),
       raw=st.binary(min_size=40, max_size=40))
def test_struct_agrees_with_cpython(vm, order, codes, raw):
    form = order + codes
    values = struct.unpack_from(form, raw)
    result = call(vm, "ustruct", "unpack", vm.new_str(form), vm.new_bytes(raw))
    assert tuple(vm.int_value(w) for w in vm.items_of(result)) == values
    packed = call(vm, "ustruct", "pack", vm.new_str(form), *(vm.new_int(v) for v in values))
    assert vm.bytes_of(packed) == struct.pack(form, *values)
    assert call(vm, "ustruct", "calcsize", vm.new_str(form)) == (struct.calcsize(form) << 1) | 1


def test_struct_of_the_64_bit_board():
    out = run("""
import ustruct as s
print(s.calcsize("bl"), s.calcsize("<bl"), s.calcsize("2h3s"), s.pack("bi", 1, 2), s.pack("i"),
      s.pack("<2h", 1), s.unpack("<3sf", b"abc" + s.pack("<f", 0.5)), s.pack("<Q", 2 ** 64 - 1))
for f in (lambda: s.pack("x"), lambda: s.pack("=i", 1), lambda: s.unpack("i", b"1"),
          lambda: s.pack("i", "a"), lambda: s.pack_into("i", bytearray(2), 0, 1)):
    try: print(f())
    except Exception as e: print(repr(e))
""", "ustruct")
    assert out.splitlines() == [
        "16 5 7 b'\\x01\\x00\\x00\\x00\\x02\\x00\\x00\\x00' b'\\x00\\x00\\x00\\x00' "
        "b'\\x01\\x00\\x00\\x00' (b'abc', 0.5) b'\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\xff'",
        "ValueError('bad typecode',)", "ValueError('bad typecode',)",
        "ValueError('buffer too small',)", "TypeError(\"can't convert str to int\",)",
        "ValueError('buffer too small',)"]


@settings(max_examples=60, deadline=None)
@given(raw=st.binary(max_size=40))
def test_binascii_agrees_with_cpython(vm, raw):
    o = vm.new_bytes(raw)
    coded = call(vm, "ubinascii", "b2a_base64", o)
    assert vm.bytes_of(coded) == binascii.b2a_base64(raw)
    assert vm.bytes_of(call(vm, "ubinascii", "a2b_base64", coded)) == raw
    hexed = call(vm, "ubinascii", "hexlify", o)
    assert vm.bytes_of(hexed) == raw.hex().encode()
    assert vm.bytes_of(call(vm, "ubinascii", "unhexlify", hexed)) == raw
    assert vm.int_value(call(vm, "ubinascii", "crc32", o)) == zlib.crc32(raw)


# --- JSON ---------------------------------
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(1 << 70), 1 << 70) | st.text("ab\u00e9\"\\\n\x01"),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("xyz"), inner, max_size=4),
    max_leaves=12)


@settings(max_examples=100, deadline=None)
@given(value=values)
def test_json_reads_and_writes_what_cpython_does(vm, value):
    text = json.dumps(value)
    o = call(vm, "ujson", "loads", vm.new_str(text))
    again = vm.text_of(call(vm, "ujson", "dumps", o))
    assert json.loads(again, strict=False) == value


def test_json_is_forgiving_as_on_the_board():
    out = run("""
import ujson
for t in ('{"a"}', "[", '"abc', "{1:2}", "[1,,2]", "truex", "-", "[1]]", "", "1e2", "-0.5",
          '"\\\\u00e9\\\\n"', "{[1]:2}", " [1 ] ", "nul"):
    try: print(ujson.loads(t))
    except Exception as e: print(repr(e))
""", "ujson")
    bad = "ValueError('syntax error in JSON',)"
    assert out.splitlines() == [
        "{}", "[]", bad, "{1: 2}", "[1, 2]", bad,
        "ValueError(\"invalid syntax for integer with base 10: ''\",)", bad, bad, "100.0", "-0.5",
        "\u00e9", "", bad, "[1]", bad]


# --- regular expressions ---------------------------------
patterns = st.recursive(
    st.sampled_from(["a", "b", ".", "[ab]", "[^a]", r"\d", r"\w", "^a", "b$"]),
    lambda p: st.one_of(st.tuples(p, p).map("".join), p.map(lambda s: f"({s})"),
                        st.tuples(p, p).map("|".join).map(lambda s: f"(?:{s})"),
                        p.map(lambda s: f"(?:{s})?"), p.map(lambda s: f"(?:{s}c)*"),
                        p.map(lambda s: f"(?:{s}c)+?")),
    max_leaves=5)


@settings(max_examples=200, deadline=None)
@given(pattern=patterns, text=st.text("abc1", max_size=8), anchored=st.booleans())
def test_matching_agrees_with_cpython(vm, pattern, text, anchored):
    program = regex.Compiler(pattern.encode())
    slots = 2 * (program.n_groups + 1)
    saved = regex.execute(vm, bytes(program.code), text.encode(), 0, slots, anchored)
    found = (re.match if anchored else re.search)(pattern, text)
    if found is None:
        assert saved is None
    else:
        assert tuple(saved[:2]) == found.span()


def test_program_of_a_pattern_as_the_board_lists_it():
    program = regex.Compiler(rb"^a|b[0-9]\w$")
    assert regex.listing(bytes(program.code), program.n_instructions).splitlines() == [
        " 0: rsplit 5 (3)", " 2: any", " 3: jmp 0 (-5)", " 5: save 0", " 7: split 14 (5)",
        " 9: assert bol", "10: char a", "12: jmp 23 (9)", "14: char b", "16: class 1 0x30-0x39",
        "20: namedclass w", "22: assert eol", "23: save 1", "25: match", "Bytes: 26, insts: 14"]


def test_regex_substitution_splitting_and_errors():
    out = run(r"""
import ure
print(ure.sub("(a)(b)?", "<\\1\\g<2>>", "abxa"), ure.sub("a", lambda m: m.group(0) * 2, "aba"),
      ure.compile("[ ,]+").split("a, b  c", 1), ure.match("(a)|(b)", "b").group(1))
for f in (lambda: ure.compile("("), lambda: ure.compile("[a"), lambda: ure.compile("*"),
          lambda: ure.match("a", 5), lambda: ure.match("a", "a").group(1),
          lambda: ure.sub("(a)", "\\2", "a"), lambda: ure.compile("(a)").split("a"),
          lambda: ure.match("(a*)*", "aaa")):
    try: print(f())
    except Exception as e: print(repr(e))
""", "ure")
    assert out.splitlines() == [
        "<ab>x<a> aabaa ['a', 'b  c'] None", "ValueError('Error in regex',)",
        "ValueError('Error in regex',)", "ValueError('Error in regex',)",
        "TypeError(\"can't convert 'int' object to str implicitly\",)", "IndexError(1,)",
        "IndexError(2,)", "NotImplementedError('Splitting with sub-captures',)",
        "RuntimeError('maximum recursion depth exceeded',)"]


def test_an_exploding_pattern_can_be_interrupted(vm, monkeypatch):
    class Stop(Exception):
        pass

    def checkpoint():
        raise Stop

    program = regex.Compiler(b"(?:a?)" * 25 + b"a" * 25 + b"b")
    monkeypatch.setattr(vm, "checkpoint", checkpoint)
    with pytest.raises(Stop):
        regex.execute(vm, bytes(program.code), b"a" * 26, 0, 2, True)


# --- random numbers, hashes, compression, ciphers ---------------------------------
def test_generator_s_first_numbers_after_a_seed():
    g = urandom.Yasmarang(0)
    assert [g.next() & 0xFF, g.next() & 0xFFFF, g.next()] == [236, 43856, 1366029939]
    assert run("import urandom as r\nr.seed(7)\nprint([r.randint(0, 9) for _ in range(6)], "
               "r.random() < 1)\n", "urandom") == "[4, 5, 8, 4, 3, 0] True\n"


def test_generator_starts_the_same_after_power_on():
    source = "import urandom\nprint(urandom.getrandbits(32), urandom.randrange(5, 50, 5))\n"
    assert run(source, "urandom") == run(source, "urandom")


def test_random_errors_have_no_text():
    out = run("""
import urandom as r
for f in (lambda: r.getrandbits(33), lambda: r.getrandbits(0), lambda: r.randrange(0),
          lambda: r.randint(2, 1), lambda: r.choice([]), lambda: r.randrange(1, 5, 0)):
    try: print(f())
    except Exception as e: print(repr(e))
""", "urandom")
    assert out.splitlines() == ["ValueError()"] * 4 + ["IndexError()", "ValueError()"]


def test_sha256_of_parts_and_of_a_whole(vm):
    h = vm.call(vm.modules["uhashlib"][2][vm.intern("sha256")], [])
    vm.keep(h)
    vm.call_method(h, "update", vm.new_bytes(b"ab"))
    vm.call_method(h, "update", vm.new_bytes(b"c" * 100))
    got = vm.bytes_of(vm.call_method(h, "digest"))
    assert got == hashlib.sha256(b"ab" + b"c" * 100).digest()
    with pytest.raises(NotSimulated):
        vm.call_method(h, "update", vm.new_bytes(b"x"))


def test_two_hashes_in_turns_are_refused(vm):
    new = vm.modules["uhashlib"][2][vm.intern("sha256")]
    first = vm.keep(vm.call(new, []))
    vm.keep(vm.call(new, []))
    with pytest.raises(NotSimulated):
        vm.call_method(first, "update", vm.new_bytes(b"x"))


@settings(max_examples=40, deadline=None)
@given(raw=st.binary(max_size=600), level=st.integers(0, 9))
def test_decompression(vm, raw, level):
    packed = zlib.compress(raw, level)
    o = call(vm, "uzlib", "decompress", vm.new_bytes(packed))
    assert vm.type_name(o) == "bytearray"
    address, length, _, _ = vm.type_of(o).buffer(vm, o)
    assert (vm.memory.read(address, length) if length else b"") == raw


@settings(max_examples=60, deadline=None)
@given(raw=st.binary(max_size=300) | st.text("ab", max_size=2000).map(str.encode),
       level=st.integers(0, 9), step=st.integers(1, 400))
def test_inflate_in_steps_agrees_with_the_host(raw, level, step):
    packer = zlib.compressobj(level, zlib.DEFLATED, -15)
    source = iter(packer.compress(raw) + packer.flush())
    inflater = Inflater(lambda: next(source, None))
    out = bytearray()
    while not inflater.done:
        out += inflater.read(step)
    assert out == raw


def test_inflate_knows_its_window():
    raw = bytes(range(200)) * 2
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = packer.compress(raw) + packer.flush()
    with pytest.raises(BadData) as error:
        source = iter(packed)
        Inflater(lambda: next(source, None), window=128).read(1000)
    assert error.value.code == -5
    source = iter(packed)
    assert Inflater(lambda: next(source, None), window=256).read(1000) == raw


def test_decompression_from_streams_and_errors():
    packed = gzip.compress(b"hello gzip", mtime=0)
    broken = bytearray(zlib.compress(b"hello"))
    broken[-1] ^= 1
    out = run(f"""
import uzlib, uio
d = uzlib.DecompIO(uio.BytesIO({packed!r}), 31)
print(d.read(3), d.read(), d.read(1))
for f in (lambda: uzlib.decompress(b"bad"), lambda: uzlib.decompress(b""),
          lambda: uzlib.decompress({bytes(broken)!r}), lambda: uzlib.decompress(b"x\\x9c\\xff"),
          lambda: uzlib.DecompIO(uio.BytesIO(b"xx")), lambda: uzlib.DecompIO(1)):
    try: print(f())
    except Exception as e: print(repr(e))
""", "uzlib", "uio")
    assert out.splitlines() == [
        "b'hel' b'lo gzip' b''", "ValueError(-3,)", "ValueError(-3,)", "ValueError(-4,)",
        "ValueError(-3,)", "ValueError('compression header',)",
        "OSError('stream operation not supported',)"]


@pytest.mark.parametrize(("key", "cipher"), [
    ("000102030405060708090a0b0c0d0e0f", "69c4e0d86a7b0430d8cdb78070b4c55a"),
    ("000102030405060708090a0b0c0d0e0f1011121314151617", "dda97ca4864cdfe06eaf70a0ec0d7191"),
    ("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
     "8ea2b7ca516745bfeafc49904b496089"),
])
def test_aes_vectors_of_the_standard(key, cipher):
    plain = bytes.fromhex("00112233445566778899aabbccddeeff")
    aes = Aes(bytes.fromhex(key))
    assert aes.encrypt(plain).hex() == cipher
    assert aes.decrypt(bytes.fromhex(cipher)) == plain


def test_aes_modes():
    key = bytes.fromhex("2b7e151628aed2a6abf7158809cf4f3c")
    plain = bytes.fromhex("6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51")
    coded = ucryptolib.transform(ucryptolib.CBC, key, bytes(range(16)), plain, True)
    assert coded.hex() == "7649abac8119b246cee98e9b12e9197d5086cb9b507219ee95db113a917678b2"
    assert ucryptolib.transform(ucryptolib.CBC, key, bytes(range(16)), coded, False) == plain
    # Case 3 of the GCM specification (no additional data, its first two blocks).
    key = bytes.fromhex("feffe9928665731c6d6a8f9467308308")
    plain = bytes.fromhex("d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72")
    iv = bytes.fromhex("cafebabefacedbaddecaf888").ljust(16, b"\0")
    coded = ucryptolib.transform(ucryptolib.GCM, key, iv, plain, True)
    assert coded.hex() == "42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e"


def test_aes_objects():
    out = run("""
import ucryptolib as c
a = c.aes(b"1234" * 4, c.MODE_CBC, b"5678" * 4)
b = a.encrypt(b"x" * 32)
print(len(b), a.decrypt(b), a.encrypt(b"x" * 32) == b)
for f in (lambda: c.aes(b"1", 1), lambda: c.aes(b"1234" * 4, 4), lambda: a.encrypt(b"1"),
          lambda: c.aes(b"1234" * 4, 2, b"1"), lambda: a.encrypt(b"x" * 16, bytearray(8))):
    try: print(f())
    except Exception as e: print(repr(e))
""", "ucryptolib")
    assert out.splitlines() == [
        "32 b'" + "x" * 32 + "' True", "ValueError('wrong key length',)",
        "ValueError('wrong mode',)", "ValueError('input length must be multiple of 16',)",
        "ValueError('wrong IV length',)", "ValueError('output too small',)"]
