"""`k210sim explain CODE`: what an error number of the KPU module means and what to do.

Texts and conditions are those of the firmware's `KPU` module (numbers 2001 to 2015 since
v0.5.0-33); older firmwares said 1 to 15, the oldest -1 to -3.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass

import click

from k210sim.cli.base import echo_json, json_option
from k210sim.errors import ConfigError


@dataclass(frozen=True)
class Explanation:
    """One error number: the firmware's text, what it means, likely causes, the next step."""

    code: int
    text: str
    meaning: str
    causes: tuple[str, ...]
    next_step: str


EXPLANATIONS = {
    e.code: e
    for e in (
        Explanation(
            2001,
            "ERR_PARAM: please check param, load address or kmodel file name",
            "A call was given something that cannot be right.",
            ("the flash address is a multiple of 4 GiB",
             "an output number that the model does not have",
             "the model was deinitialised already"),
            "Check the arguments; `k210sim model info FILE` shows how many outputs there are.",
        ),
        Explanation(
            2002,
            "ERR_KMODEL_VERSION: only support kmodel V3/V4 now",
            "There is no model this firmware knows at that place.",
            ("nothing is flashed there, or at another address than the script says",
             "the file is kmodel V5 or newer, or V4 on a firmware built without V4",
             "`load_flash` needs the words reversed, `load` needs them not reversed"),
            "`k210sim flash-map` shows which models are in flash and where.",
        ),
        Explanation(
            2003,
            "ERR_KMODEL_FORMAT: layer_header.body_size <=0",
            "It begins like a model, but its structure is damaged.",
            ("the file was cut off, or something was flashed over its end",
             "the model is larger than 6 MiB",
             "an encrypted model whose size is not a multiple of 16"),
            "Flash the file again; `k210sim model lint FILE` tells whether the file is whole.",
        ),
        Explanation(
            2004,
            "ERR_DECRYPT: check smodel match with your board",
            "The model is encrypted for another chip.",
            ("a .smodel is made for the machine id of one board",),
            "Get the model for this board's id, or use an unencrypted kmodel.",
        ),
        Explanation(
            2005,
            "ERR_READ_FILE: read file failed",
            "The file could not be opened or read.",
            ("the path is wrong: files are under /sd or /flash",
             "no SD card is in the slot",
             "two files are open on /flash already, more are not possible",
             "the file is empty"),
            "`os.listdir` on the directory; `k210sim fs ls` shows /flash without booting.",
        ),
        Explanation(
            2006,
            "ERR_NO_MEM: memory not enough",
            "The system heap has no room for the model, its working memory, or both in one piece.",
            ("the model is too large: size + 256 bytes and its main memory must each fit",
             "an earlier model was not given back: call KPU.deinit, or del and gc.collect()",
             "large frame buffers (VGA), or a GC heap set too large"),
            "`KPU.memtest()` shows what is free; a smaller frame size, a minimal firmware or "
            "Maix.utils.gc_heap_size make room.",
        ),
        Explanation(
            2007,
            "ERR_GET_CONV_LAYER: first layer should be conv layer",
            "The shape of the input or output was asked of a model without a convolution there.",
            ("the model starts with another kind of layer",
             "an encrypted model: its layers cannot be looked at"),
            "`k210sim model info FILE` lists the layers.",
        ),
        Explanation(
            2008,
            "ERR_RUN_MODEL: maybe model dirty",
            "The KPU driver refused to run the model.",
            ("the first layer is neither a convolution nor fully connected",
             "a layer type the firmware does not have",
             "the model's memory was overwritten"),
            "`k210sim model lint FILE` names the layer; load the model anew.",
        ),
        Explanation(
            2009,
            "ERR_MODELS_FULL: we only support load 5 models in the same time",
            "Five models are loaded already.",
            ("models of earlier runs were not given back: KPU.deinit, or del and gc.collect()",
             "a load in a loop"),
            "Deinitialise one first; a soft reset (Ctrl-D) does not always do it.",
        ),
        Explanation(
            2010,
            "ERR_PERMITION",
            "Reserved; the shipped firmware never produces it.",
            (),
            "Look at the firmware's version: it is none of the known ones.",
        ),
        Explanation(
            2011,
            "SIPEED_KPU_ERR_IDX_OUTRANGE",
            "A V4 model does not have the output that was named.",
            ("outputs count from 0",),
            "`k210sim model info FILE` lists the outputs.",
        ),
        Explanation(
            2012,
            "SIPEED_KPU_ERR_SIZE_NOTMATCH",
            "KPU.set_outputs: width x height x channels is not the size of that output.",
            ("the numbers are those of another model",
             "the order is (net, index, width, height, channels)"),
            "`k210sim model info FILE` shows each output's size in bytes; four bytes a value.",
        ),
        Explanation(
            2013,
            "ERR_OUTPUTS_SET: need kpu.set_outputs() to set shape",
            "A V4 model was run before the shape of every output was set.",
            ("KPU.set_outputs is missing after load, or was called for some outputs only",),
            "Call KPU.set_outputs(net, i, w, h, ch) for every output first.",
        ),
        Explanation(
            2014,
            "ERR_NOT_IMPLEMENT",
            "The call works on V3 models only.",
            ("netinfo or set_layers with a V4 model",),
            "Use a V3 model, or `k210sim model info FILE` on the computer.",
        ),
        Explanation(
            2015,
            "ERR_UNKNOWN",
            "Something failed for which the firmware has no number.",
            ("memory ran out inside the V4 loader", "an .emodel that cannot be decoded",
             "a V4 call on a firmware built without V4"),
            "Check memory with KPU.memtest(), then the file with `k210sim model lint FILE`.",
        ),
    )
}

# Numbers of older firmwares and the ones they became.
OLDEST = {-1: 2006, -2: 2005, -3: 2003}


def explain_code(code: int) -> tuple[Explanation, str]:
    """The explanation of a number, and a remark when it is one of an older firmware's."""
    if code in EXPLANATIONS:
        return EXPLANATIONS[code], ""
    if code in OLDEST:
        return EXPLANATIONS[OLDEST[code]], (
            f"{code} is a number of firmware v0.2.4 to v0.3; it became {OLDEST[code]}."
        )
    if 1 <= code <= 15:
        later = "" if code < 11 else " (v0.4.0 and v0.5.0: 11 is an unknown error)"
        return EXPLANATIONS[2000 + code], (
            f"{code} is a number of firmware v0.4.0 to v0.5.0-32; it became {2000 + code}{later}."
        )
    raise ConfigError(
        f"explain: no error {code} is known; expected 2001 to 2015, 1 to 15, -1 to -3"
    )


@click.command(
    "explain",
    epilog="Example: k210sim explain 2002",
    context_settings={"ignore_unknown_options": True},
)
@click.argument("code")
@json_option
def explain(code, as_json):
    """Explain an error number of the KPU module: 2002, or a whole line that contains one."""
    numbers = re.findall(r"-?\d+", code)
    if not numbers:
        raise ConfigError(f"explain: {code!r} holds no number; try `k210sim explain 2002`")
    known = [int(n) for n in numbers if 2001 <= int(n) <= 2015]
    found, remark = explain_code((known or [int(numbers[0])])[0])
    if as_json:
        echo_json({**asdict(found), "remark": remark})
        return
    if remark:
        click.echo(remark + "\n")
    click.echo(f"{found.code}  {found.text}\n\n{found.meaning}")
    if found.causes:
        click.echo("\nLikely causes:")
        for cause in found.causes:
            click.echo(f"  - {cause}")
    click.echo(f"\nNext step: {found.next_step}")
