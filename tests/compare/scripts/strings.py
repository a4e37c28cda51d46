# Methods of str, slices, escapes, unicode, comparison, interning.
s = "The quick brown fox"
print(s[4:9], s[-3:], s[100:], len(s), s * 2, s.find("q"), s.find("z"), s.rfind("o"), s.index("b"))
print(
    s.split(),
    s.split("o"),
    s.split(None, 1),
    s.rsplit("o", 1),
    " a  b ".split(" "),
    s.partition(" "),
    s.rpartition(" "),
)
print(
    s.upper(),
    s.lower(),
    s.replace("o", "0"),
    s.replace("o", "0", 1),
    s.startswith("The"),
    s.endswith("x"),
    s.count("o"),
)
print(
    "--".join(["a", "b"]),
    " x ".strip(),
    "xxaxx".strip("x"),
    "xxaxx".lstrip("x"),
    "xxaxx".rstrip("x"),
    "ab".center(7) + "|",
)
print(
    "abc".isalpha(),
    "123".isdigit(),
    " ".isspace(),
    "A".isupper(),
    "a".islower(),
    "a\nb\r\nc".splitlines(),
    "a" < "b",
    "a" in "cab",
)
print(
    repr("tab\t nl\n q' dq\" \\ \x00 \x7f \xe9 \u20ac"),
    "\u20ac",
    len("\u20ac"),
    "\u20ac".encode(),
    ord("\u20ac"),
    chr(8364),
)
print("%s %r" % ("\xe9", "\xe9"), "äöü".upper(), "äöü"[1], "äöü".find("ü"), [c for c in "ä\u20acx"])
for what in (
    "s.index('z')",
    "s[100]",
    "'a' + 1",
    "'a' * 'b'",
    "s.foo",
    "chr(-1)",
    "ord('ab')",
    "'%d' % 'a'",
    "'%d %d' % 1",
    "'%s' % (1, 2)",
    "'{} {}'.format(1)",
    "'{a}'.format(b=1)",
    "'{:d}'.format('a')",
    "'{'.format()",
    "'}'.format()",
    "''.join([1])",
    "'a'.split('')",
    "str(b'x', 'ascii')",
    "str(b'\\xff', 'utf8')",
    "'abc'.replace(1, 2)",
    "s['a']",
    "'a' < 1",
    "'{0.real}'.format(1)",
    "'{0[1]}'.format('ab')",
):
    try:
        print(what, repr(eval(what)))
    except Exception as e:
        print(what, type(e).__name__, e)
print(
    str(b"abc"),
    str(b"abc", "utf8"),
    "ab",
    "its",
    """tri
ple""",
    r"\n",
    hash("a") == hash("a"),
    "abc".__class__,
)
