"""Which lines of the AI RAM a model can touch, so that a run need not clear all 2 MiB."""

from __future__ import annotations

from collections.abc import Iterator

from k210sim.errors import KmodelError
from k210sim.kpu import ai_ram
from k210sim.kpu.kmodel import layers as kl
from k210sim.kpu.kmodel import nodes as nd
from k210sim.kpu.kmodel import v5

WHOLE = (0, ai_ram.LINES)


def lines(net) -> list[tuple[int, int]]:
    """Disjoint ranges (first line, the one behind the last), ascending. What cannot be told from
    the file alone takes all."""
    found: list[tuple[int, int]] = []
    try:
        places = sorted({3: _v3, 4: _v4, 5: _v5}[net.model.version](net))
    except (KmodelError, ValueError):  # met again where it runs
        return [WHOLE]
    for first, count in places:
        end = min(max(first, 0) + max(count, 1), ai_ram.LINES)
        if found and first <= found[-1][1]:
            found[-1] = found[-1][0], max(found[-1][1], end)
        elif end > first:
            found.append((max(first, 0), end))
    return found


def _layer(regs, batches=1) -> Iterator[tuple[int, int]]:
    yield regs.image_src_addr, batches * ai_ram.map_lines(regs.in_shape)
    yield regs.image_dst_addr, batches * ai_ram.map_lines(regs.out_shape)


def _v3(net):
    for body in net.model.layers:
        if isinstance(body, kl.Conv):
            yield from _layer(body.regs)
        elif isinstance(body, kl.Upload):
            yield body.kpu_dst, ai_ram.map_lines((body.channels, body.height, body.width))
        elif isinstance(body, kl.AddPadding):
            yield body.kpu_dst, ai_ram.map_lines((body.channels, 4, 4))


def _v4(net):
    for where, shape in zip(net.model.inputs, net.model.input_shapes, strict=True):
        if where.type == 2:
            yield _map(where.start, shape.dims)
    for node in net.model.nodes:
        if isinstance(node, nd.KpuConv2d):
            yield from _layer(node.regs, node.batches)
        elif isinstance(node, nd.KpuUpload):
            yield _map(node.dst.start, node.in_shape)
        elif any(place.type == 2 for place in (
                node.ranges if isinstance(node, nd.Concat) else node.places())):
            yield WHOLE
    if any(where.type == 2 for where in net.model.outputs):
        yield WHOLE


def _v5(net):
    for number, module in enumerate(net.model.modules):
        if module.type != "k210":
            continue
        for function in range(len(module.functions)):
            for op in net.operations(number, function):
                if op.opcode == 2:
                    yield from _layer(op.regs, op.batches)
                    places = (op.main_out,)
                elif op.opcode == 3:
                    places = (op.src, op.dst)
                else:
                    place, other = (op.dst, op.src) if op.opcode == 0 else (op.src, op.dst)
                    yield _map(place.start, op.shape)
                    places = (other,)
                if any(place.location == v5.AI_RAM for place in places):
                    yield WHOLE


def _map(start, shape) -> tuple[int, int]:
    """Lines of a batch of maps from a byte on."""
    return start // ai_ram.LINE, shape[0] * ai_ram.map_lines(shape[1:])
