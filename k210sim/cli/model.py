"""`k210sim model`: what a kmodel is, whether it will load, what it computes, how long it takes.

Every command prints what a public function returns: `k210sim.kpu.report`, `k210sim.kpu.lint`,
`k210sim.kpu.KModel`, `k210sim.kpu.dumps`.
"""

from __future__ import annotations

import sys

import click

from k210sim.cli.base import NUMBER, echo_json, json_option, read_file, write_file
from k210sim.errors import EXIT_GUEST_FAILED, EXIT_OK

MARKS = {"error": "bold red", "warning": "yellow", "note": "cyan"}
TOP = 5
MAX_LABELLED = 4096  # a longer vector is no list of classes


class Hertz(click.ParamType):
    """A frequency: 400000000, 400M, 26.5MHz, 1e8."""

    name = "hz"

    def convert(self, value, param, ctx):
        if isinstance(value, float):
            return value
        text = value.strip().lower().removesuffix("hz")
        unit = {"k": 1e3, "m": 1e6, "g": 1e9}.get(text[-1:], 1.0)
        try:
            hertz = float(text if unit == 1.0 else text[:-1]) * unit
        except ValueError:
            self.fail(f"{value!r} is no frequency such as 400M or 400000000", param, ctx)
        if not 1e6 <= hertz <= 2e9:
            self.fail(f"{value!r} is not between 1 MHz and 2 GHz", param, ctx)
        return hertz


class Floats(click.ParamType):
    """Numbers with commas between."""

    name = "numbers"

    def convert(self, value, param, ctx):
        if isinstance(value, tuple):
            return value
        try:
            numbers = tuple(float(part) for part in value.replace(" ", "").strip("()").split(","))
        except ValueError:
            self.fail(f"{value!r} are no numbers such as 1.889,2.5245", param, ctx)
        return numbers


HERTZ, FLOATS = Hertz(), Floats()
UNIT = click.FloatRange(0, 1)


@click.group("model", epilog="Example: k210sim model lint face.kmodel")
def model():
    """Look at, check, run and time a kmodel on this computer."""


def _print(*things):
    """Rich renderables on stdout; wide enough for tables when stdout is no terminal."""
    from rich.console import Console

    console = Console(file=sys.stdout, highlight=False, soft_wrap=False,
                      width=None if sys.stdout.isatty() else 140)
    for thing in things:
        console.print(thing, markup=False)


def _table(*columns, rows):
    """A plain table; a column beginning with > is aligned to the right."""
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    for name in columns:
        right = name.startswith(">")
        table.add_column(name.lstrip(">"), justify="right" if right else "left",
                         no_wrap=right, overflow="fold")
    for row in rows:
        style = "yellow" if row and row[0] == "*" else None
        cells = row[1:] if row and row[0] in ("*", " ") else row
        table.add_row(*map(_cell, cells), style=style)
    return table


def _cell(value):
    from rich.text import Text

    return Text("" if value is None else str(value))


def _bytes(count: int) -> str:
    return f"{count} bytes" if count < 10240 else f"{count} bytes ({count / 1024:.0f} KB)"


# -- info ---------------------------------------------------------------------------------------


@model.command("info", epilog="Example: k210sim model info --json face.kmodel")
@click.argument("file", type=click.Path())
@json_option
def info_command(file, as_json):
    """Say what FILE is: version, input, outputs, memory, layers.

    Knows kmodel V3, V4 and V5, byte-reversed files for load_flash, and encrypted ones by name.
    """
    from k210sim.kpu.report import ModelFile, shape_text

    facts = ModelFile.read(file).describe()
    if as_json:
        echo_json(facts)
        return
    lines = [("kind", facts["title"]), ("file", _bytes(facts["file_size"]))]
    if "input" in facts:
        shape = shape_text(facts["input"]["shape"])
        lines += [("model", f"{_bytes(facts['size'])}, {facts['weight_bits']}-bit weights"),
                  ("input", f"{shape} {facts['input']['dtype']}")]
        lines += [(f"output {i}", _bytes(out["size"])) for i, out in enumerate(facts["outputs"])]
        lines.append(("main memory", _bytes(facts["main_mem_usage"])))
    if "system_heap" in facts:
        lines.append(("system heap", _bytes(facts["system_heap"]) + " in all"))
    if "nncase" in facts:
        lines.append(("made by", f"nncase {facts['nncase']} or one with the same byte code"))
    lines += [(f"module {i}", f"{m['type']}, {m['size']} bytes, {m['functions']} functions")
              for i, m in enumerate(facts.get("modules", ()))]
    if "note" in facts:
        lines.append(("note", facts["note"]))
    width = max(len(name) for name, _ in lines)
    for name, text in lines:
        click.echo(f"{name:<{width}}  {text}")
    if facts.get("layers"):
        rows = [(layer["index"], layer["name"], "KPU" if layer["on_kpu"] else "CPU",
                 *_shapes(layer), layer.get("weight_bytes"), _remark(layer))
                for layer in facts["layers"]]
        _print(_table(">layer", "name", "on", "in", "out", "kernel", ">weights", "remark",
                      rows=rows))


def _shapes(layer) -> tuple[str, str, str]:
    from k210sim.kpu.report import shape_text

    kernel = layer.get("kernel", "")
    if layer.get("depthwise"):
        kernel += " dw"
    return shape_text(layer.get("in_shape")), shape_text(layer.get("out_shape")), kernel


def _remark(layer) -> str:
    parts = [layer["rule"]] if layer.get("rule") else []
    parts += [f"pool {layer['pool']}"] if layer.get("pool") else []
    return ", ".join(parts + (["copied to main memory"] if layer.get("to_main_memory") else []))


# -- lint ---------------------------------------------------------------------------------------


@model.command("lint", epilog="Example: k210sim model lint yolo.kmodel --gc-heap 128K")
@click.argument("file", type=click.Path())
@click.option("--gc-heap", type=NUMBER, default=512 * 1024, show_default="512K",
              help="The board's GC heap, as Maix.utils.gc_heap_size() shows it.")
@json_option
def lint_command(file, gc_heap, as_json):
    """Will FILE load, on which firmware, with how much memory, and what should be changed?

    Exit code 1 when the standard firmware cannot load or run it.
    """
    from k210sim.kpu.lint import lint
    from k210sim.kpu.report import ModelFile

    report = lint(ModelFile.read(file), gc_heap=gc_heap)
    if as_json:
        echo_json(report.as_dict())
    else:
        _show_lint(report)
    return EXIT_OK if report.ok else EXIT_GUEST_FAILED


def _show_lint(report):
    from rich.text import Text

    click.echo(f"{report.file}: {report.title}")
    names = {"v4-build": "firmware with V4 support (standard)",
             "v3-build": "firmware without it (minimum)", "load_flash": "KPU.load_flash"}
    _print(_table("on", "loads", "", rows=[
        (names[name], "yes" if verdict.ok else "no", verdict.text)
        for name, verdict in report.loads.items()]))
    if report.heap:
        _print(_table("system heap", ">free", "model fits", rows=[
            (room["name"], f"{room['free'] // 1024} KB", "yes" if room["fits"] else "no")
            for room in report.heap["rooms"]]))
        click.echo(f"the model takes {-(-report.heap['need'] // 1024)} KB of system heap: "
                   f"{report.heap['model']} bytes of model, {report.heap['main_memory']} of main "
                   "memory")
        ram = report.ai_ram
        click.echo(f"AI RAM: {ram['used'] * 64 // 1024} KB of {ram['lines'] * 64 // 1024} KB, at "
                   f"most {ram['largest_layer'] * 64 // 1024} KB in one layer")
    if report.cpu_layers:
        groups = {}
        for layer in report.cpu_layers:
            groups.setdefault((layer["name"], layer["rule"]), []).append(layer["index"])
        count = len(report.cpu_layers)
        click.echo(f"{count} layer{' runs' if count == 1 else 's run'} on the CPU:")
        for (name, rule), where in groups.items():
            count = f"layer {where[0]}" if len(where) == 1 else f"{len(where)} layers"
            click.echo(f"  {name} ({count}): {rule}")
    if report.input.get("setup"):
        click.echo("input: " + "; ".join(report.input["setup"]))
    click.echo("")
    for finding in report.findings:
        _print(Text.assemble((finding.level, MARKS[finding.level]), f": {finding.line}"))
        if finding.advice:
            _print(Text(f"    {finding.advice}"))
    click.echo("it will load and run on the standard firmware" if report.ok
               else "the standard firmware cannot load or run it")


# -- run ----------------------------------------------------------------------------------------


@model.command("run", epilog="Example: k210sim model run face.kmodel --input faces.jpg --boxes "
                             "out.png --anchors 1.889,2.5245,2.9465,3.94056,3.99987,5.3658,"
                             "5.155437,6.92275,6.718375,9.01025")
@click.argument("file", type=click.Path())
@click.option("--input", "source", required=True, type=click.Path(), metavar="FILE",
              help="A picture, or the exact array in a .npy file.")
@click.option("--fit", type=click.Choice(("letterbox", "stretch", "crop")), default="letterbox",
              show_default=True,
              help="How a picture of another size is fitted: black borders, out of proportion, or "
              "the largest middle part (as set_windowing shows it). Scaled bilinearly.")
@click.option("--rgb565", is_flag=True, help="Round a picture's colours as the camera does.")
@click.option("--output", type=click.Path(), metavar="NPZ",
              help="Write the outputs; - is standard output.")
@click.option("--layers", is_flag=True, help="Write every layer's result into --output as well.")
@click.option("--boxes", type=click.Path(), metavar="PNG",
              help="Draw yolo2 boxes on the input as the model saw it.")
@click.option("--anchors", type=FLOATS, help="Anchors of the yolo2 head: w0,h0,w1,h1 ...")
@click.option("--threshold", type=UNIT, default=0.5, show_default=True)
@click.option("--nms", type=UNIT, default=0.3, show_default=True)
@click.option("--labels", type=click.Path(), metavar="TXT", help="Class names, one on each line.")
@click.option("--activation", type=click.Choice(("even", "up")), default="even", show_default=True,
              help="Rounding of the KPU's activation: the vendor's newer or older rule.")
@click.option("--threads", type=click.IntRange(1, 64), default=1, show_default=True,
              help="How many work on one KPU layer; the result does not depend on it.")
@json_option
def run_command(file, source, fit, rgb565, output, layers, boxes, anchors, threshold, nms, labels,
                activation, threads, as_json):
    """Run FILE on a picture or array and summarise its outputs.

    A picture becomes planes R, G, B of bytes (or grey) in the size of the model's input.
    """
    import numpy as np

    from k210sim.kpu import dumps, pictures
    from k210sim.kpu.report import ModelFile

    if layers and not output:
        raise click.UsageError("--layers needs --output")
    if boxes and not anchors:
        raise click.UsageError("--boxes needs --anchors, the ones the model was trained with")
    if anchors and len(anchors) % 2:
        raise click.UsageError(f"--anchors has {len(anchors)} numbers, expected pairs")
    names = read_file(labels).decode("utf-8", "replace").splitlines() if labels else []
    net = ModelFile.read(file).model(activation=activation)
    x = pictures.load_input(source, net.input_shape, net.input_dtype, fit, rgb565=rgb565)
    if anchors and (x.ndim != 3 or x.dtype != np.uint8):
        raise click.UsageError("--anchors needs a model that takes pictures")
    result = net.run(x, layers=layers, threads=threads)
    outputs, kept = (result.outputs, result.layers) if layers else (result, [])
    facts = {"file": str(file), "input": str(source),
             "outputs": [_summary(i, out, names) for i, out in enumerate(outputs)]}
    if anchors:
        found = pictures.find_boxes(net, outputs[0], anchors, threshold, nms)
        facts["boxes"] = [box._asdict() | {"label": names[box.classid]
                                           if box.classid < len(names) else str(box.classid)}
                          for box in found]
    if output:
        write_file(output, dumps.to_bytes(dumps.dump(outputs, kept)))
        facts["output"] = output
    if boxes:
        write_file(boxes, _png(pictures.draw_boxes(x, found, names)))
        facts["picture"] = boxes
    if "-" in (output, boxes):
        return  # stdout holds the file
    if as_json:
        echo_json(facts)
    else:
        _show_run(facts)


def _summary(index: int, out, names) -> dict:
    """An output as people look at it: shape, range, and the best entries of a short vector."""
    import numpy as np

    facts = {"index": index, "shape": list(out.shape), "dtype": out.dtype.name}
    if not out.size:
        return facts
    wide = out.astype(np.float64)
    with np.errstate(all="ignore"):
        facts |= {"min": _number(wide.min()), "max": _number(wide.max()),
                  "mean": _number(wide.mean())}
    if out.size == max(out.shape) <= MAX_LABELLED:
        flat = out.ravel()
        best = np.argsort(-flat.astype(np.float64), kind="stable")[:TOP]
        facts["top"] = [{"index": int(i), "value": _number(flat[i]),
                         "label": names[i] if i < len(names) else None} for i in best]
    return facts


def _number(value):
    """A float JSON can hold: None for NaN and infinities."""
    import math

    value = float(value)
    return value if math.isfinite(value) else None


def _png(picture) -> bytes:
    import io

    out = io.BytesIO()
    picture.save(out, "PNG")
    return out.getvalue()


def _show_run(facts):
    rows = [(o["index"], "x".join(map(str, o["shape"])), o["dtype"],
             *(_short(o.get(key)) for key in ("min", "max", "mean"))) for o in facts["outputs"]]
    _print(_table(">output", "shape", "type", ">min", ">max", ">mean", rows=rows))
    for out in facts["outputs"]:
        for entry in out.get("top", ()):
            name = f"  {entry['label']}" if entry["label"] else ""
            click.echo(f"output {out['index']}[{entry['index']}] = {_short(entry['value'])}{name}")
    for box in facts.get("boxes", ()):
        click.echo(f"{box['label']}: {box['value']:.3f} at x={box['x']} y={box['y']} w={box['w']} "
                   f"h={box['h']}")
    if facts.get("boxes") == []:
        click.echo("no boxes")
    for key in ("output", "picture"):
        if key in facts:
            click.echo(f"written: {facts[key]}")


def _short(value) -> str:
    return "" if value is None else f"{value:.6g}"


# -- profile ------------------------------------------------------------------------------------


@model.command("profile", epilog="Example: k210sim model profile face.kmodel --cpu-hz 481M "
                                 "--kpu-hz 398M")
@click.argument("file", type=click.Path())
@click.option("--cpu-hz", type=HERTZ, default="400M", show_default=True)
@click.option("--kpu-hz", type=HERTZ, default="400M", show_default=True)
@click.option("--dma", is_flag=True,
              help="V3 outputs leave the KPU by DMA (dma=1 in MaixPy's calls), not by the CPU.")
@click.option("--load-flash", "spi_hz", type=HERTZ,
              help="As KPU.load_flash runs it, at this SPI clock.")
@click.option("--dual", is_flag=True, help="load_flash with two buffers.")
@click.option("--batch-size", type=NUMBER, default=0xC000, show_default="0xC000",
              help="load_flash with two buffers: bytes to gather for a fetch.")
@json_option
def profile_command(file, cpu_hz, kpu_hz, dma, spi_hz, dual, batch_size, as_json):
    """Predict how long FILE takes on the real chip, per layer and in total.

    The model of cost and how far it can be trusted: docs/forecast.md.
    """
    from k210sim.kpu.report import ModelFile, profile

    if dual and not spi_hz:
        raise click.UsageError("--dual needs --load-flash HZ")
    facts = profile(ModelFile.read(file).model(), cpu_hz, kpu_hz, dma=dma, spi_hz=spi_hz or 0.0,
                    dual=dual, batch_size=batch_size)
    if as_json:
        echo_json(facts)
        return
    rows = [("" if layer["on_kpu"] else "*", layer["index"], layer["name"],
             "KPU" if layer["on_kpu"] else "CPU", *_shapes(layer),
             f"{layer['macs'] / 1e6:.1f}" if layer["macs"] else "", f"{layer['ms']:.3f}",
             f"{layer['share']:.0%}", _remark(layer)) for layer in facts["layers"]]
    rows = [row if row[0] == "*" else (" ", *row[1:]) for row in rows]
    _print(_table(">layer", "name", "on", "in", "out", "kernel", ">MMAC", ">ms", ">", "remark",
                  rows=rows))
    click.echo(f"KPU layers {facts['kpu_ms']:.2f} ms, CPU layers {facts['cpu_ms']:.2f} ms, "
               f"input {facts['upload_ms']:.2f} ms"
               + (f", waiting for flash {facts['stream_ms']:.2f} ms" if spi_hz else ""))
    rate = f" ({facts['runs_per_second']:.1f} runs a second)" if facts["runs_per_second"] else ""
    click.echo(f"total {facts['total_ms']:.2f} ms{rate} with CPU {cpu_hz / 1e6:g} MHz, KPU "
               f"{kpu_hz / 1e6:g} MHz")


# -- diff ---------------------------------------------------------------------------------------


@model.command("diff", epilog="Example: k210sim model diff board.npz host.npz --tolerance 1e-6")
@click.argument("a", type=click.Path(), metavar="A.npz")
@click.argument("b", type=click.Path(), metavar="B.npz")
@click.option("--tolerance", type=click.FloatRange(0), default=0.0, show_default=True,
              help="Absolute difference of floats that counts as equal.")
@json_option
def diff_command(a, b, tolerance, as_json):
    """Show the first layer where two dumps of `run --layers` part; exit code 1 if they do."""
    from k210sim.kpu.dumps import diff

    found = diff(a, b, tolerance)
    if as_json:
        echo_json({"equal": found is None, "difference": found and found.as_dict()})
    elif found is None:
        click.echo("equal")
    else:
        click.echo(f"{found.key} is the first that differs, after {found.equal_before} equal "
                   f"arrays: {found.what}")
        if found.count:
            place = ", ".join(map(str, found.index))
            click.echo(f"  [{place}] is {found.a:g} in {a} and {found.b:g} in {b}; "
                       f"{found.differing} of {found.count} values differ, by up to "
                       f"{found.largest:g}")
        click.echo(f"  {found.differ_after} later arrays differ as well")
    return EXIT_OK if found is None else EXIT_GUEST_FAILED
