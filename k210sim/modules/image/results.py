"""What analysing a picture returns: objects that print as records and index as tuples."""

from __future__ import annotations

from k210sim.imaging import stats
from k210sim.micropython.layout import SENTINEL
from k210sim.micropython.native import GuestType, NativeFunction, method
from k210sim.micropython.types.sequence import get_index, slice_bounds
from k210sim.modules.image.arguments import Call, assert_true


def guest_value(vm, value) -> int:
    """A host number, text or tuple as a guest object."""
    if isinstance(value, tuple):
        return vm.new_tuple([guest_value(vm, v) for v in value])
    if isinstance(value, bool):
        return vm.new_bool(value)
    if isinstance(value, int):
        return vm.new_int(value)
    if isinstance(value, bytes):
        return vm.new_str(value)
    return vm.new_float(float(value))


class Result(GuestType):
    """Base of the records. FIELDS are the indexed ones, in order; the host value has attributes
    (or keys of a dict) of those names."""

    FIELDS: tuple[str, ...] = ()
    BYTES = 64

    def __init_subclass__(cls, **kw):
        super().__init_subclass__(**kw)
        for name in cls.FIELDS:
            if name not in cls.locals:
                cls.locals[name] = NativeFunction(name, _reader(name), 1, 1)

    def subscr(self, vm, o, index, value):
        if value != SENTINEL:
            return None
        host, fields = vm.host(o), self.FIELDS
        if vm.is_type(index, "slice"):
            start, stop, step = slice_bounds(vm, len(fields), index)
            assert_true(vm, step == 1, "only slices with step=1 (aka None) are supported")
            return vm.new_tuple([guest_value(vm, field(host, n)) for n in fields[start:stop]])
        return guest_value(vm, field(host, fields[get_index(vm, self.name, len(fields), index)]))

    def print(self, vm, o, kind):
        host = vm.host(o)
        parts = []
        for name in self.FIELDS:
            value = field(host, name)
            if isinstance(value, bytes):
                text = '"%s"' % value.decode("utf-8", "surrogateescape")
            else:
                text = "%d" % value if isinstance(value, int) else "%f" % value
            parts.append('"%s":%s' % (name, text))
        return "{" + ", ".join(parts) + "}"


def field(host, name: str):
    return host[name] if isinstance(host, dict) else getattr(host, name)


def _reader(name: str):
    return lambda vm, o: guest_value(vm, field(vm.host(o), name))


def make(vm, cls: type[Result], host) -> int:
    """A result object. Its floats are heap objects of their own on the board; they are made when
    read here, so a result with floats is charged 32 bytes for each."""
    floats = sum(
        not isinstance(field(host, n), int | bytes | tuple) for n in cls.FIELDS if cls.FIELDS
    )
    return vm.new_host_object(cls, host, cls.BYTES + 32 * floats)


def _box(vm, o: int, names: tuple[str, ...]) -> int:
    host = vm.host(o)
    return vm.new_tuple([vm.new_int(field(host, n)) for n in names])


class Blob(Result):
    """A region of like pixels."""

    name = "blob"
    FIELDS = ("x", "y", "w", "h", "pixels", "cx", "cy", "rotation", "code", "count")
    BYTES = 96

    @method(1)
    def rect(vm, o):
        return _box(vm, o, ("x", "y", "w", "h"))

    @method(1)
    def area(vm, o):
        blob = vm.host(o)
        return vm.new_int(blob.w * blob.h)

    @method(1)
    def density(vm, o):
        blob = vm.host(o)
        area = blob.w * blob.h
        return vm.new_float(blob.pixels / area if area else 0.0)


class Line(Result):
    """A straight line."""

    name = "line"
    FIELDS = ("x1", "y1", "x2", "y2", "length", "magnitude", "theta", "rho")
    BYTES = 96

    @method(1)
    def line(vm, o):
        return _box(vm, o, ("x1", "y1", "x2", "y2"))


class Circle(Result):
    """A circle."""

    name = "circle"
    FIELDS = ("x", "y", "r", "magnitude")

    @method(1)
    def circle(vm, o):
        return _box(vm, o, ("x", "y", "r"))


class Rect(Result):
    """A quadrangle found in the picture."""

    name = "rect"
    FIELDS = ("x", "y", "w", "h", "magnitude")

    @method(1)
    def rect(vm, o):
        return _box(vm, o, ("x", "y", "w", "h"))

    @method(1)
    def corners(vm, o):
        return guest_value(vm, field(vm.host(o), "corners"))


class AprilTag(Result):
    """A tag that was read."""

    name = "apriltag"
    FIELDS = (
        "x", "y", "w", "h", "id", "family", "cx", "cy", "rotation", "decision_margin", "hamming",
        "goodness", "x_translation", "y_translation", "z_translation", "x_rotation", "y_rotation",
        "z_rotation",
    )  # fmt: skip
    BYTES = 352  # with the tuples of its corners

    @method(1)
    def rect(vm, o):
        return _box(vm, o, ("x", "y", "w", "h"))

    @method(1)
    def corners(vm, o):
        return guest_value(vm, vm.host(o).corners)


class Similarity(Result):
    """How much two pictures agree."""

    name = "similarity"
    FIELDS = ("mean", "stdev", "min", "max")


def _channels(count: int) -> tuple[str, ...]:
    return ("",) if count == 1 else ("l_", "a_", "b_")


class _PerChannel(Result):
    """Base of results with values for each channel; the host value is a tuple of dicts."""

    def subscr(self, vm, o, index, value):
        if value != SENTINEL:
            return None
        values = self.flat(vm.host(o))
        if vm.is_type(index, "slice"):
            start, stop, step = slice_bounds(vm, len(values), index)
            assert_true(vm, step == 1, "only slices with step=1 (aka None) are supported")
            return vm.new_tuple([vm.new_int(v) for v in values[start:stop]])
        return vm.new_int(values[get_index(vm, self.name, len(values), index)])

    @staticmethod
    def flat(host) -> list[int]:
        return [value for channel in host for value in channel.values()]


def _add_channel_methods(cls, names: tuple[str, ...]) -> None:
    """name, l_name, a_name, b_name; the plain one is the first channel's, missing ones are 0."""
    for prefix, channel in (("", 0), ("l_", 0), ("a_", 1), ("b_", 2)):
        for name in names:

            def read(vm, o, name=name, channel=channel):
                host = vm.host(o)
                return vm.new_int(host[channel][name] if channel < len(host) else 0)

            cls.locals[prefix + name] = NativeFunction(prefix + name, read, 1, 1)


class Statistics(_PerChannel):
    """Mean, median and so on."""

    name = "statistics"
    BYTES = 224

    def print(self, vm, o, kind):
        host = vm.host(o)
        parts = [
            '"%s%s":%d' % (prefix, name, value)
            for prefix, channel in zip(_channels(len(host)), host, strict=True)
            for name, value in channel.items()
        ]
        return "{" + ", ".join(parts) + "}"


_add_channel_methods(Statistics, stats.Statistics._fields)


class _Value(_PerChannel):
    # The misplaced quote is the firmware's.
    first = '"l_value:%d"'

    def print(self, vm, o, kind):
        values = self.flat(vm.host(o))
        if len(values) == 1:
            return '{"value":%d}' % values[0]
        return "{" + (self.first + ', "a_value":%d, "b_value":%d') % tuple(values) + "}"


class Percentile(_Value):
    """The value below which a share of the pixels lies."""

    name = "percentile"


class ThresholdResult(_Value):
    """Otsu's threshold."""

    name = "threshold"
    first = '"l_value":%d'


for _cls in (Percentile, ThresholdResult):
    _add_channel_methods(_cls, ("value",))


class Histogram(GuestType):
    """Shares of the pixels by value."""

    name = "histogram"

    def _lists(self, vm, o) -> list[int]:
        return [vm.new_list([vm.new_float(float(v)) for v in bins]) for bins in vm.host(o).bins]

    def print(self, vm, o, kind):
        lists = self._lists(vm, o)
        names = ("bins",) if len(lists) == 1 else ("l_bins", "a_bins", "b_bins")
        parts = ['"%s":%s' % (n, vm.print_text(w, kind)) for n, w in zip(names, lists, strict=True)]
        return "{" + ", ".join(parts) + "}"

    def subscr(self, vm, o, index, value):
        if value != SENTINEL:
            return None
        lists = self._lists(vm, o)
        if vm.is_type(index, "slice"):
            start, stop, step = slice_bounds(vm, len(lists), index)
            assert_true(vm, step == 1, "only slices with step=1 (aka None) are supported")
            return vm.new_tuple(lists[start:stop])
        return lists[get_index(vm, self.name, len(lists), index)]

    @method(2, kw=True)
    def get_percentile(vm, args, kw):
        values = stats.percentile(vm.host(args[0]), vm.get_float(args[1]))
        return vm.new_host_object(Percentile, tuple({"value": v} for v in values), 64)

    @method(1)
    def get_threshold(vm, o):
        values = stats.threshold(vm.host(o))
        return vm.new_host_object(ThresholdResult, tuple({"value": v} for v in values), 64)


def new_statistics(vm, histogram: stats.Histogram) -> int:
    found = tuple(s._asdict() for s in stats.statistics(histogram))
    return vm.new_host_object(Statistics, found, Statistics.BYTES)


for _i, _name in enumerate(("bins", "l_bins", "a_bins", "b_bins")):

    def _bins(vm, o, channel=max(0, _i - 1)):
        bins = vm.host(o).bins
        values = bins[channel] if channel < len(bins) else ()
        return vm.new_list([vm.new_float(float(v)) for v in values])

    Histogram.locals[_name] = NativeFunction(_name, _bins, 1, 1)
for _name in ("get_statistics", "get_stats", "statistics"):
    Histogram.locals[_name] = NativeFunction(
        _name, lambda vm, o: new_statistics(vm, vm.host(o)), 1, 1
    )


def take_histogram(call: Call) -> stats.Histogram:
    """The histogram that the arguments of get_histogram and get_statistics ask for."""
    pixels = call.pixels
    thresholds = call.thresholds(call.word(1, "thresholds"))
    invert = call.bool(2, "invert")
    x, y, w, h = call.roi(3)
    nowhere = len(call.args)
    counts = []
    for name, default in zip(
        ("l_bins", "a_bins", "b_bins"), stats.DEFAULT_BINS[stats.kind_of(pixels)], strict=False
    ):
        count = call.int(nowhere, "bins", default)
        call.check(count >= 2, "bins must be >= 2")
        count = call.int(nowhere, name, count)
        call.check(count >= 2, "%s must be >= 2" % name)
        counts.append(count)
    return stats.histogram(pixels[y : y + h, x : x + w], tuple(counts), thresholds, invert)


class QRCode(Result):
    """A QR code that was read."""

    name = "qrcode"
    FIELDS = (
        "x", "y", "w", "h", "payload", "version", "ecc_level", "mask", "data_type", "eci",
    )  # fmt: skip
    BYTES = 384  # with the tuples of its corners

    @method(1)
    def rect(vm, o):
        return _box(vm, o, ("x", "y", "w", "h"))

    @method(1)
    def corners(vm, o):
        return guest_value(vm, vm.host(o).corners)


def _add_kind(name: str, kind: int) -> None:
    def read(vm, o):
        return vm.new_bool(vm.host(o).data_type == kind)

    QRCode.locals[name] = NativeFunction(name, read, 1, 1)


for _name, _kind in (
    ("is_numeric", 1), ("is_alphanumeric", 2), ("is_binary", 4), ("is_kanji", 8),
):  # fmt: skip
    _add_kind(_name, _kind)
