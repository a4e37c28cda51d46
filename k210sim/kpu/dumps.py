"""Dumps of runs in .npz files, and where two of them part.

    save("run.npz", dump(outputs, layers))
    found = diff("run.npz", "other.npz")      a Difference, or None when they are equal

Keys: `layer_NNN_NAME` in the order they ran, then `output_N`.
"""

from __future__ import annotations

import io
import zipfile
import zlib
from dataclasses import asdict, dataclass

import numpy as np

from k210sim.errors import HostError


def dump(outputs, layers=()) -> dict[str, np.ndarray]:
    """The arrays of a run under their keys; layers: what `KModel.run(x, layers=True)` gives."""
    arrays = {f"layer_{layer.index:03d}_{layer.name.lower()}": layer.value for layer in layers}
    return arrays | {f"output_{i}": out for i, out in enumerate(outputs)}


def to_bytes(arrays: dict[str, np.ndarray]) -> bytes:
    """A .npz archive with the arrays in this order; the same arrays give the same bytes."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, array in arrays.items():
            raw = io.BytesIO()
            np.save(raw, array)
            archive.writestr(zipfile.ZipInfo(name + ".npy"), raw.getvalue(),
                             zipfile.ZIP_DEFLATED)
    return out.getvalue()


def load(path) -> dict[str, np.ndarray]:
    """The arrays of a .npz file in its order. Raises HostError naming the file."""
    try:
        archive = np.load(path, allow_pickle=False)
        if isinstance(archive, np.ndarray):
            raise HostError(f"{path}: one array, expected an .npz archive")
        with archive:
            return {name: archive[name] for name in archive.files}
    except (OSError, ValueError, EOFError, MemoryError, zipfile.BadZipFile, zlib.error) as error:
        reason = getattr(error, "strerror", None) or (
            "expected a .npz archive of plain arrays, as `k210sim model run --output` writes them")
        raise HostError(f"{path}: cannot be read: {reason}") from error


@dataclass
class Difference:
    """The first array, in the order of the first file, that differs."""

    key: str
    what: str
    index: tuple[int, ...] = ()  # of the first element that differs
    a: float | None = None
    b: float | None = None
    differing: int = 0
    count: int = 0
    largest: float = 0.0
    equal_before: int = 0  # arrays compared and found equal
    differ_after: int = 0  # further arrays that differ

    def as_dict(self) -> dict:
        return asdict(self)


def diff(path_a, path_b, tolerance: float = 0.0) -> Difference | None:
    """Compare two dumps; None when every array both ways is equal within `tolerance` (absolute,
    for floats; NaN equals NaN)."""
    a, b = load(path_a), load(path_b)
    found, equal, after = None, 0, 0
    for key in [*a, *(name for name in b if name not in a)]:
        difference = _compare(key, a.get(key), b.get(key), tolerance)
        if difference is None:
            equal += found is None
        elif found is None:
            found = difference
        else:
            after += 1
    if found is not None:
        found.equal_before, found.differ_after = equal, after
    return found


def _compare(key, a, b, tolerance) -> Difference | None:
    if a is None or b is None:
        return Difference(key, f"only in the {'second' if a is None else 'first'} file")
    if a.shape != b.shape:
        if a.size != b.size:
            return Difference(key, f"shapes {a.shape} and {b.shape}")
        b = b.reshape(a.shape)
    if a.dtype != b.dtype:
        return Difference(key, f"types {a.dtype} and {b.dtype}")
    if a.dtype.kind not in "biuf":
        return None if np.array_equal(a, b) else Difference(key, "contents")
    wide = [v.astype(np.float64) for v in (a, b)]
    with np.errstate(invalid="ignore"):
        gap = np.abs(wide[0] - wide[1])
    gap[(wide[0] == wide[1]) | (np.isnan(wide[0]) & np.isnan(wide[1]))] = 0
    gap[np.isnan(gap)] = np.inf
    wrong = gap > (tolerance if a.dtype.kind == "f" else 0)
    if not wrong.any():
        return None
    at = tuple(int(i) for i in np.unravel_index(int(np.argmax(wrong)), a.shape))
    return Difference(key, "values", at, a[at].item(), b[at].item(), int(wrong.sum()), a.size,
                      float(gap.max()))
