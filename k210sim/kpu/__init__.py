"""The KPU: model containers, layer arithmetic, and the firmware's way of running them.

`KModel` is imported on first use, so that programs which never run a model do not load numba.
"""

from k210sim.kpu.kernels import table


def __getattr__(name):
    if name == "KModel":
        from k210sim.kpu.model import KModel

        return KModel
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def _examine(kernels) -> bool:
    from k210sim.kpu.self_check import examine

    return examine(kernels)


table.examine = _examine  # the kernels themselves know nothing above NumPy and numba
