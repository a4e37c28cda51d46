"""What `k210sim model info` and `profile` say: a model file as plain data, whatever its kind.

    file = ModelFile.read("face.kmodel")      any kind: V3, V4, V5, byte-reversed, encrypted
    file.kind, file.describe()                "v3"; a dictionary for people and JSON
    profile(file.model(), cpu_hz=400e6)       the forecast per layer, as a dictionary

Nothing here loads numba.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from k210sim.errors import KmodelError
from k210sim.kpu.forecast import FlashStream, forecast
from k210sim.kpu.kmodel import layers as kl
from k210sim.kpu.kmodel.header import describe_word, identify
from k210sim.kpu.kmodel.nodes import KpuConv2d
from k210sim.kpu.model import KModel
from k210sim.kpu.rules import cpu_rule

ON_DEVICE = ("v3", "v3_swapped", "v4")  # kinds some firmware runs
RUNNABLE = (*ON_DEVICE, "v5")  # kinds that run on the host
TITLES = {
    "v3": "kmodel V3", "v3_swapped": "kmodel V3, bytes reversed for load_flash",
    "v4": "kmodel V4", "v5": "kmodel V5", "v6": "kmodel V6", "v1": "kmodel V1",
    "smodel": "smodel, an encrypted V3 model", "smodel_v4": "smodel, an encrypted V4 model",
    "emodel": "emodel container",
}
POOLS = ("", "max 2x2", "mean 2x2", "max 4x4", "mean 4x4", "left top 2x2", "right top 2x2",
         "left top 4x4", "mean 2x2 step 1", "max 2x2 step 1")


@dataclass
class ModelFile:
    """A file's bytes and what kind of model they are. `read` refuses what is no model at all."""

    path: str
    data: bytes = field(repr=False)
    kind: str

    @classmethod
    def read(cls, path) -> ModelFile:
        """Raises KmodelError naming the file when it cannot be read or is no model."""
        try:
            data = Path(path).read_bytes()
        except OSError as error:
            raise KmodelError(f"cannot be read: {error.strerror}", path=path) from error
        return cls.of(data, path)

    @classmethod
    def of(cls, data: bytes, path="") -> ModelFile:
        kind = identify(data)
        if kind == "unknown":
            hint = ("a kmodel begins with 03 00 00 00 (V3) or LDMK (V4, V5); nncase makes one of a "
                    "network")
            if data[:2] == b"PK":
                hint = f"it is a package: `k210sim kfpkg unpack {path} FOLDER` takes the model out"
            raise KmodelError(f"expected a kmodel, found {describe_word(data)}", path=path or None,
                              offset=0, hint=hint)
        return cls(str(path), bytes(data), kind)

    @property
    def title(self) -> str:
        return TITLES[self.kind]

    def model(self, **options) -> KModel:
        """The model ready to run; KmodelError with the reason for kinds that cannot."""
        if self.kind not in RUNNABLE:
            raise KmodelError(f"expected a kmodel V3, V4 or V5, found {self.title}", offset=0,
                              path=self.path or None, hint="; ".join(WHY_NOT[self.kind]))
        try:
            return KModel(self.data, path=self.path or None, **options)
        except KmodelError as error:
            raise named(error, self.path) from None

    def describe(self) -> dict:
        """The file as a dictionary: kind and size, for what runs also input, outputs, memory and
        layers, for what no firmware runs a note with the reason."""
        facts = {"file": self.path, "kind": self.kind, "title": self.title,
                 "file_size": len(self.data)}
        if self.kind in RUNNABLE:
            model = self.model()
            try:
                facts |= model.info()
            except KmodelError as error:
                raise named(error, self.path) from None
            if self.kind in ON_DEVICE:
                bodies = model.model.layers if model.version == 3 else model.model.nodes
                facts["layers"] = [_layer(i, body) for i, body in enumerate(bodies)]
            else:
                facts["layers"] = [_step(i, *one) for i, one in enumerate(model.net.layer_steps())]
        if self.kind not in ON_DEVICE:
            facts["note"] = "; ".join(WHY_NOT[self.kind])
        return facts


def named(error: KmodelError, path) -> KmodelError:
    """The error with the file's name in its line, where only the bytes were known so far."""
    head = f"{error.what}: "
    if path and str(error).startswith(head):
        error.path = path
        error.args = (f"{error.what} {path}: {str(error)[len(head):]}",)
    return error


# Kinds that cannot run: the reason, and what to do.
_KEY = ("it is bound to one chip's key, no other chip or computer can decode it",
        "ask its author for the .kmodel")
_OLDER = "convert the network with nncase 0.2 (V4) or 0.1 (V3)"
WHY_NOT = {
    "v1": ("only firmware before v0.3.0 loads it", _OLDER),
    "v5": ("it was made by nncase 1.x, and no MaixPy v1 firmware has that runtime", _OLDER),
    "v6": ("it was made by nncase 1.x, and no MaixPy v1 firmware has that runtime", _OLDER),
    "smodel": _KEY, "smodel_v4": _KEY,
    "emodel": ("only its own firmware decodes it", "ask its author for the .kmodel"),
}


def _layer(index: int, body) -> dict:
    """One layer or node: name, where it runs, shapes as (C, H, W) where known, parameters."""
    facts = {"index": index, "name": body.NAME, "on_kpu": isinstance(body, kl.Conv | KpuConv2d)}
    if facts["on_kpu"]:
        facts |= _conv_facts(body.regs, int(body.weights.nbytes), bool(
            body.flags & kl.MAIN_MEM_OUT if isinstance(body, kl.Conv) else body.main_out.size))
    else:
        facts["rule"] = cpu_rule(body)
        shape = getattr(body, "in_shape", None)
        if shape is not None:
            facts["in_shape"] = list(shape[1:])
    return facts


def _conv_facts(regs, weight_bytes: int, to_main_memory: bool) -> dict:
    """What the descriptor of a KPU layer tells."""
    return {
        "in_shape": list(regs.in_shape), "out_shape": list(regs.out_shape),
        "kernel": "3x3" if regs.taps == 9 else "1x1", "depthwise": regs.depthwise,
        "pool": POOLS[regs.pool_type] if regs.pool_type < len(POOLS) else "?",
        "weight_bytes": weight_bytes, "to_main_memory": to_main_memory,
    }


def _step(index: int, name: str, op) -> dict:
    """One step of a V5 file; op: the K210 operation, None for a tensor function."""
    facts = {"index": index, "name": name, "on_kpu": op is not None and op.NAME == "kpu_conv2d"}
    if facts["on_kpu"]:
        facts |= _conv_facts(op.regs, op.regs.weight_count, bool(op.main_out.size))
    elif op is not None:
        facts |= {"in_shape": list(op.shape[1:]), "out_shape": list(op.shape[1:])}  # maps move
    return facts


def shape_text(shape) -> str:
    """(C, H, W) as people write it: WxHxC."""
    return "x".join(str(n) for n in reversed(shape)) if shape else ""


def profile(model: KModel, cpu_hz: float = 400e6, kpu_hz: float = 400e6, *, dma: bool = False,
            spi_hz: float = 0.0, dual: bool = False, batch_size: int = 0) -> dict:
    """The forecast of one run on the chip: per layer index, name, ms, share, on_kpu, macs, rule of
    a CPU layer; totals in milliseconds. spi_hz: with load_flash at that SPI clock (V3 only)."""
    if model.version == 5:
        raise KmodelError("no forecast of kmodel V5: no time of its runtime on the chip is known",
                          path=model.path)
    if spi_hz and model.version != 3:
        raise KmodelError("load_flash runs kmodel V3 only", path=model.path)
    cost = forecast(model.model, cpu_hz, kpu_hz, dma=dma,
                    flash=FlashStream(spi_hz, dual, batch_size) if spi_hz else None)
    bodies = model.model.layers if model.version == 3 else model.model.nodes
    total = cost.total_ms
    layers = []
    for layer, body in zip(cost.layers, bodies, strict=True):
        facts = _layer(layer.index, body)
        facts |= {"ms": layer.ms, "copy_ms": layer.copy_ms, "macs": layer.macs,
                  "share": layer.ms / total if total else 0.0}
        layers.append(facts)
    return {
        "file": str(model.path or ""), "version": model.version, "cpu_hz": cpu_hz,
        "kpu_hz": kpu_hz, "total_ms": total, "kpu_ms": cost.kpu_ms, "cpu_ms": cost.cpu_ms,
        "upload_ms": cost.upload_ms, "stream_ms": cost.stream_ms,
        "runs_per_second": 1e3 / total if total else None,
        "macs": sum(layer.macs for layer in cost.layers), "layers": layers,
    }
