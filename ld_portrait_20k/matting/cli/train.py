"""``python -m ld_portrait_20k.matting train``."""

from __future__ import annotations

import argparse
import json
import os
import shlex
import signal
from contextlib import AbstractContextManager
from dataclasses import asdict
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, Final

from ld_portrait_20k.common import exit_codes
from ld_portrait_20k.common.interruption import handling
from ld_portrait_20k.common.memory import lack_of_memory_told
from ld_portrait_20k.common.printable import say
from ld_portrait_20k.errors import PortraitError, missing_extra

if TYPE_CHECKING:
    from ld_portrait_20k.matting.training.config import TrainingConfig

_DESCRIPTION: Final = """\
Train a matting model on one data set or several, on a CPU or GPUs. A run that was stopped
goes on from its newest checkpoint (--resume). A run is one folder: the model in the Hub's
format (so `predict --model DIR` works at once), training.yaml with all settings, log.csv and
validation.csv, pictures of every validation, TensorBoard's files, and checkpoints.
"""

_EPILOG: Final = """\
examples:
  a small model on a laptop:
    python -m ld_portrait_20k.matting train --data ours=ld-portrait-20k --model hint-unet \\
        --steps 2000 --output my-model
  two data sets, one drawn twice as often, photographs behind:
    python -m ld_portrait_20k.matting train --data ours=ld-portrait-20k:2 --data p3m=P3M-10k \\
        --backgrounds photos --model vitmatte-small --steps 20000 --output vit-s
  the same settings from a file (flags win), then on after an interruption:
    python -m ld_portrait_20k.matting train --config vit-s/training.yaml --output vit-s-2 --seed 1
    python -m ld_portrait_20k.matting train --resume --output vit-s-2
  on several GPUs, or several processes of a CPU:
    accelerate launch --num_processes 4 -m ld_portrait_20k.matting train ...

--data, --model and --steps may all come from --config. The published weights of ViTMatte
(--init hustvl/vitmatte-small-composition-1k) were trained on Adobe's Composition-1k, whose
terms allow no commercial use; that holds for what starts from them.
"""


def declare(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options. None has a default: what is absent, --config may say."""
    from ld_portrait_20k.matting.training.config import PRECISIONS

    parser.description, parser.epilog = _DESCRIPTION, _EPILOG
    parser.argument_default = argparse.SUPPRESS
    add = parser.add_argument
    add("--output", type=Path, required=True, metavar="DIR", help="folder of the run")
    add("--config", type=Path, metavar="FILE", help="settings in YAML or TOML; flags win")
    add("--resume", action="store_true", help="go on from the newest checkpoint in DIR, if any")
    add("--dry-run", action="store_true", help="open everything, time two steps, write nothing")
    add("--json", action="store_true", help="the result as JSON on stdout")
    add("--push-to-hub", metavar="OWNER/NAME", help="publish the model when it is trained")
    add("--licence", metavar="SPDX", help="of the weights, stated in the card (cc-by-4.0)")

    data = parser.add_argument_group("data").add_argument
    data(
        "--data", action="append", metavar="NAME=DIR[:WEIGHT]",
        help="our dataset (folder, Hub name) or a folder in a known layout; repeatable",
    )  # fmt: skip
    data(
        "--validation", action="append", metavar="NAME=DIR",
        help="data to validate on (default: a twentieth of --data is held out)",
    )  # fmt: skip
    data("--backgrounds", metavar="DIR", help="folder or list file of pictures (default: drawn)")
    data("--crop", type=int, metavar="PX", help="side of a crop (by the model: 192 to 512)")
    data("--workers", type=int, metavar="N", help="processes that prepare data (default: by cores)")

    model = parser.add_argument_group("model and optimiser").add_argument
    model("--model", metavar="NAME", help="hint-unet, vitmatte-small, vitmatte-base, portrait-unet")
    model("--init", metavar="FOLDER_OR_REPO", help="start from these weights, not fresh ones")
    model("--steps", type=int, metavar="N", help="optimiser steps in all")
    model("--batch-size", type=int, metavar="N", help="crops a step and process (by the model)")
    model("--learning-rate", type=float, metavar="X", help="after the warm-up (by the model)")
    model("--weight-decay", type=float, metavar="X", help="of AdamW (by the model)")
    model("--ema-decay", type=float, metavar="X", help="of the averaged weights (default: 0.999)")
    model(
        "--loss", action="append", metavar="TERM=WEIGHT",
        help="unknown, known, composition, laplacian, gradient; 0 leaves one out",
    )  # fmt: skip
    model("--seed", type=int, metavar="N", help="of fresh weights and all draws (default: 0)")
    model("--precision", choices=PRECISIONS, help="default: bf16 where it is fast")
    model("--device", choices=("auto", "cpu"), help="default: a GPU where there is one")

    keep = parser.add_argument_group("what is written, and when").add_argument
    keep("--validate-every", type=int, metavar="N", help="steps (default: 500)")
    keep("--checkpoint-every", type=int, metavar="N", help="steps (default: 500)")
    keep("--keep-checkpoints", type=int, metavar="N", help="older ones go (default: 2)")
    keep("--log-every", type=int, metavar="N", help="steps a row of log.csv (default: 10)")


def run(options: argparse.Namespace) -> int:
    """Train, and print what it came to."""
    given = vars(options)
    try:
        import accelerate  # noqa: F401
        import torch  # noqa: F401
    except ImportError as problem:
        raise missing_extra(str(problem.name), "matting") from problem
    output, resume = given["output"], given.get("resume", False)
    config = _config(given, output, resume)
    if given.get("dry_run"):
        from ld_portrait_20k.matting.training.rehearsal import rehearse

        with _lack_of_memory_told(config):
            figures = rehearse(config, output, resume=resume)
        return _print(figures, given)
    from ld_portrait_20k.matting.training.loop import train

    told: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        told.append(number)
        if len(told) > 1:  # a second time: at once, without a checkpoint
            raise KeyboardInterrupt

    try:
        with handling(note, signal.SIGINT, signal.SIGTERM), _lack_of_memory_told(config):
            summary = train(
                config, output, resume=resume, licence=given.get("licence", ""),
                command=shlex.join(["python", "-m", "ld_portrait_20k.matting", *options.arguments]),
                stopped=lambda: bool(told),
            )  # fmt: skip
    except (KeyboardInterrupt, RuntimeError) as problem:
        # A signal to the whole group ends the data workers too, and torch raises for them.
        if isinstance(problem, RuntimeError) and not told:
            raise
        say(
            "stopped; try: python -m ld_portrait_20k.matting train --resume --output "
            + shlex.quote(str(output)),
            error=True,
        )
        return exit_codes.INTERRUPTED
    if os.environ.get("RANK", "0") != "0":  # one of several processes speaks for all
        return exit_codes.DONE
    result = asdict(summary)
    if given.get("push_to_hub"):
        from ld_portrait_20k.matting.models.saving import push_to_hub

        result["pushed"] = push_to_hub(output, given["push_to_hub"])
    return _print(result, given)


def _lack_of_memory_told(config: TrainingConfig) -> AbstractContextManager[None]:
    return lack_of_memory_told(
        f"not enough memory for batches of {config.batch_size} at {config.crop} px; "
        "try: a smaller --batch-size or --crop, or fewer --workers",
        # Linux kills a worker where memory ends; torch has only the signal's name then.
        "killed by signal: Killed",
    )


def _config(given: dict[str, Any], output: Path, resume: bool) -> TrainingConfig:
    """Settings of the saved run, of the file and of the flags, later ones win."""
    from ld_portrait_20k.matting.training.config import (
        FILE_NAME,
        build,
        continued,
        names,
        read_file,
    )

    flags = {name: value for name, value in given.items() if name in names()}
    if "loss" in given:
        flags["losses"] = dict(_weight(text) for text in given["loss"])
    layers = [read_file(given["config"])] if "config" in given else []
    where = str(given.get("config", "settings"))
    saved = output / FILE_NAME
    if resume and not saved.is_file() and not {"model", "data", "config"} & given.keys():
        raise PortraitError(
            f"{output}: no run there to go on with; try: its folder, or --data, --model and --steps"
        )
    if not (resume and saved.is_file()):
        return build(*layers, flags, where=where)
    before = build(read_file(saved), where=str(saved))
    return continued(before, build(before.to_dict(), *layers, flags, where=where))


def _weight(text: str) -> tuple[str, float]:
    name, _, value = text.partition("=")
    try:
        return name, float(value)
    except ValueError:
        raise PortraitError(f"--loss {text}: not TERM=WEIGHT; try: --loss gradient=0.5") from None


def _print(result: dict[str, Any], given: dict[str, Any]) -> int:
    if given.get("json"):
        say(json.dumps(result))
        return 0
    for name, value in result.items():
        if isinstance(value, dict):
            value = ", ".join(f"{key} {number:.5f}" for key, number in value.items())
        say(f"{name}: {value:.4f}" if isinstance(value, float) else f"{name}: {value}")
    if "output" in result and not given.get("dry_run"):
        command = f"predict PICTURES --model {shlex.quote(str(result['output']))} --output mattes"
        say(f"next: python -m ld_portrait_20k.matting {command}", error=True)
    return 0
