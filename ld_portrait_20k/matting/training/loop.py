"""The training loop: from a configuration to a model folder, resumable at every checkpoint."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from accelerate import Accelerator
from torch import Tensor

from ld_portrait_20k.errors import PortraitError
from ld_portrait_20k.matting.data.sources import refuse_inside
from ld_portrait_20k.matting.models.card import CardFacts, model_card
from ld_portrait_20k.matting.models.denormals import flush_denormals
from ld_portrait_20k.matting.models.saving import CARD, CONFIG, WEIGHTS, save_pretrained
from ld_portrait_20k.matting.training import loading
from ld_portrait_20k.matting.training.batch_norm import synchronised
from ld_portrait_20k.matting.training.checkpoints import (
    checkpoints,
    load_checkpoint,
    save_checkpoint,
)
from ld_portrait_20k.matting.training.config import TrainingConfig
from ld_portrait_20k.matting.training.logging import (
    TRAINING_LOG,
    VALIDATION_LOG,
    Progress,
    Stopwatch,
    Table,
    TensorBoard,
)
from ld_portrait_20k.matting.training.losses import MattingLoss, fix_known
from ld_portrait_20k.matting.training.networks import starting_network
from ld_portrait_20k.matting.training.optimization import (
    MovingAverage,
    build_optimizer,
    learning_rate,
)
from ld_portrait_20k.matting.training.validation import validate

PICTURES: Final = "validation"
"""Folder of the validation sheets."""


@dataclass(frozen=True, slots=True)
class Summary:
    """What a run came to.

    Attributes:
        output: The model folder.
        steps: Steps done in all.
        loss: Of the last step; None if this call had none to do.
        validation: The last errors, see :func:`.validation.validate`.
        seconds: Spent in steps by this call.
        waiting: Share of them spent waiting for data, 0..1.
    """

    output: str
    steps: int
    loss: float | None
    validation: dict[str, float]
    seconds: float
    waiting: float


def train(
    config: TrainingConfig,
    output: Path,
    *,
    resume: bool = False,
    licence: str = "",
    command: str = "",
    stopped: Callable[[], bool] = lambda: False,
) -> Summary:
    """Train a model.

    On a CPU the weights follow from the configuration alone: a run that is killed and
    resumed comes to the same ones, bit by bit (with as many threads).

    Args:
        config: What to train on what, and how.
        output: Becomes the model folder, with logs, pictures and checkpoints beside.
        resume: Go on from the newest checkpoint in ``output``, if there is one.
        licence: Of the weights, an SPDX identifier, for the card.
        command: The command line, for the card.
        stopped: Asked after each step; once it says yes, a checkpoint is written and the
            run ends with ``KeyboardInterrupt``.

    Raises:
        PortraitError: The data, the settings or the folder do not allow it, or the loss is
            no longer finite.
        KeyboardInterrupt: ``stopped`` said so.
    """
    with open_run(config, output, resume=resume, licence=licence, command=command) as run:
        return run.run(stopped)


@contextmanager
def open_run(
    config: TrainingConfig, output: Path, *, resume: bool, licence: str = "", command: str = ""
) -> Iterator[Run]:
    """A run, closed at the end of the block; see :func:`train` for the arguments."""
    with flush_denormals():
        run = Run(config, output, resume=resume, licence=licence, command=command)
        try:
            yield run
        finally:
            run.close()


class Run:
    """One call of :func:`train`: the network and all that surrounds it."""

    def __init__(
        self, config: TrainingConfig, output: Path, *, resume: bool, licence: str, command: str
    ) -> None:
        precision = choose_precision(config)
        self.config = replace(config, precision=precision, warmup_steps=config.warmup)
        self.output, self.licence, self.command = output, licence, command
        found = checkpoints(output)
        if found and not resume:
            raise PortraitError(
                f"{output}: holds a run of {max(found)} steps; try: --resume, or another --output"
            )
        there = [output / name for name in (WEIGHTS, CONFIG, CARD) if (output / name).exists()]
        if there and not found:
            raise PortraitError(
                f"{there[0]}: would be replaced, and no checkpoint of a run is beside it; "
                "try: another --output"
            )
        read = (*config.data, *config.validation, config.backgrounds)
        refuse_inside(output, filter(None, read))
        self.accelerator = Accelerator(cpu=config.device == "cpu")
        self.device = self.accelerator.device
        self.data = loading.open_data(self.config, self.accelerator.num_processes)
        torch.manual_seed(config.seed)
        self.network: Any
        self.network, self.start = starting_network(config)
        if self.accelerator.num_processes > 1:
            self.network = synchronised(self.network, self.device)
        self.wrapped = self.accelerator.prepare(self.network)
        self.network = self.accelerator.unwrap_model(self.wrapped)
        self.optimizer = build_optimizer(self.network, self.config)
        self.average = MovingAverage(self.network, config.ema_decay)
        # Known pixels are set from the trimap: their error is a constant, nothing to learn.
        fixed = {"known": 0.0} if self.network.needs_trimap else {}
        self.criterion = MattingLoss(replace(config.losses, **fixed))
        self.done = 0
        if found:
            self.done = load_checkpoint(
                found[max(found)], self.network, self.average, self.optimizer
            )
        self.workers = loading.choose_workers(self.config, self.accelerator.num_processes)
        self.figures: dict[str, float] = {}
        self.board: TensorBoard | None = None
        self.notes: list[str] = []

    @property
    def main(self) -> bool:
        """Whether this process writes and speaks."""
        return self.accelerator.is_main_process

    def lines(self) -> list[str]:
        """What the run consists of, for a person."""
        config, count = self.config, sum(p.numel() for p in self.network.parameters())
        each = f" in each of {n} processes" if (n := self.accelerator.num_processes) > 1 else ""
        return [
            *(f"data: {line}" for line in self.data.lines),
            self.data.backgrounds,
            f"model: {config.model}, {count / 1e6:.2f} M parameters, {self.start}",
            f"{self.device}, {config.precision}, batches of {config.batch_size}{each} at "
            f"{config.crop} px, {self.workers} data worker{'s' if self.workers != 1 else ''}",
            *([f"going on after step {self.done}"] if self.done else []),
            *self.notes,
        ]

    def run(self, stopped: Callable[[], bool]) -> Summary:
        """Train to the end, or until ``stopped``."""
        config = self.config
        stream = self.stream(self.workers)
        # The first batch before the first file: bad data leaves no half-made folder.
        first = next(stream, None)
        self._begin()
        loss: float | None = None
        watch = Stopwatch()
        with Progress(self.done, config.steps, shown=self.main) as progress:
            for line in self.lines():
                progress.say(line)
            while self.done < config.steps:
                with watch.waiting():
                    batch = first if first is not None else next(stream)
                first = None
                total, terms = self.step(batch)
                self.done += 1
                if self.done % config.log_every == 0 or self.done == config.steps:
                    loss = self._log(total, terms, watch)
                progress.step(self.done, loss, watch.share)
                with watch.paused():
                    self._keep(total, stopped())
        if self.main and not self.figures:  # killed between the last step and its validation
            self._validate()
        return Summary(str(self.output), self.done, loss, self.figures, watch.seconds, watch.share)

    def step(self, batch: loading.Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """One step on a batch; its loss and the loss's terms, before the step."""
        rate = learning_rate(self.done, self.config)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        torch.manual_seed(_mixed(self.config.seed, self.done, self.accelerator.process_index))
        total, terms = self.loss(batch)
        self.accelerator.backward(total)
        self.accelerator.clip_grad_norm_(self.network.parameters(), self.config.clip)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.average.update(self.network)
        return total.detach(), terms

    def loss(self, batch: loading.Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss of a batch under the current weights."""
        batch = {
            key: value.to(self.device, non_blocking=True) if isinstance(value, Tensor) else value
            for key, value in batch.items()
        }
        self.wrapped.train()
        with torch.no_grad():
            inputs = self.network.prepare(batch["image"], batch["trimap"])
        # Not Accelerator's own mixed precision: it would stay in the network's forward, and
        # validation shall say what a user gets, who predicts in float32.
        half = self.config.precision == "bf16"
        with torch.autocast(self.device.type, torch.bfloat16, enabled=half):
            alpha = self.wrapped(inputs)
        alpha = alpha.float()
        if self.network.needs_trimap:
            alpha = fix_known(alpha, batch["trimap"])
        alone = self.accelerator.num_processes == 1
        return self.criterion(alpha, batch, None if alone else self._mean)

    def close(self) -> None:
        """End what writes in the background."""
        if self.board is not None:
            self.board.close()
        self.accelerator.end_training()

    def stream(self, workers: int) -> Iterator[loading.Batch]:
        """This process's batches from the next step on."""
        accelerator, config = self.accelerator, self.config
        positions = loading.Positions(
            self.done, config.steps, config.batch_size,
            accelerator.process_index, accelerator.num_processes,
        )  # fmt: skip
        return loading.batches(
            self.data.training, positions, workers, pin=self.device.type == "cuda"
        )

    def _begin(self) -> None:
        if not self.main:
            return
        self.output.mkdir(parents=True, exist_ok=True)
        self.config.save(self.output)
        self.training_log = Table(self.output / TRAINING_LOG, self.done)
        self.validation_log = Table(self.output / VALIDATION_LOG, self.done)
        self.figures = self.validation_log.row(self.done)
        self.board = TensorBoard(self.output / "tensorboard", self.done)
        if not self.board.available:
            self.notes = ["TensorBoard is not installed, so nothing is written for it; "
                          "try: pip install tensorboard"]  # fmt: skip

    def _log(self, total: Tensor, terms: dict[str, Tensor], watch: Stopwatch) -> float:
        values = {
            name: float(self._mean(term.detach()))
            for name, term in {"loss": total, **terms}.items()
        }
        self._finite(values["loss"])
        if self.main and self.board is not None:
            rate = learning_rate(self.done - 1, self.config)
            row = {**values, "learning_rate": rate, "waiting": watch.share}
            self.training_log.add({"step": self.done, **row, "seconds": watch.seconds})
            self.board.scalars("train", row, self.done)
        return values["loss"]

    def _keep(self, total: Tensor, stop: bool) -> None:
        """Validate and write what is due after a step."""
        config, last = self.config, self.done == self.config.steps
        stop = self._agreed(stop)
        due = self.done % config.checkpoint_every == 0 or last or stop
        if due:
            self._finite(float(self._mean(total)))
        if self.main and due:
            save_checkpoint(
                self.output, self.done, self.network, self.average, self.optimizer,
                keep=config.keep_checkpoints,
            )  # fmt: skip
        if stop and not last:
            raise KeyboardInterrupt
        if self.done % config.validate_every == 0 or last:
            if self.main:
                self._validate()
            self.accelerator.wait_for_everyone()

    def _validate(self) -> None:
        import cv2

        config = self.config
        steps = math.ceil(config.validation_samples / config.batch_size)
        stream = loading.batches(
            self.data.validation, loading.Positions(0, steps, config.batch_size), 0, pin=False
        )
        with self.average.applied_to(self.network):
            self.figures, sheet = validate(self.network, stream, self.device)
        folder = self.output / PICTURES
        folder.mkdir(exist_ok=True)
        path = folder / f"step-{self.done:08d}.png"
        cv2.imwrite(str(path), cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR))
        if self.board is not None:
            self.board.scalars("validation", self.figures, self.done)
            self.board.picture("validation", sheet, self.done)
        self._save()
        # Last, because the row tells a run that goes on that all this is done.
        self.validation_log.add({"step": self.done, **self.figures})

    def _save(self) -> None:
        config = self.config
        facts = CardFacts(
            title=self.output.resolve().name, kind=self.network.config["model_type"],
            parameters=sum(p.numel() for p in self.network.parameters()),
            needs_trimap=self.network.needs_trimap, data=self.data.lines,
            backgrounds=self.data.backgrounds, start=self.start, step=self.done, steps=config.steps,
            licence=self.licence, figures=self.figures, crop=config.crop, command=self.command,
            crops=math.ceil(config.validation_samples / config.batch_size) * config.batch_size,
        )  # fmt: skip
        save_pretrained(
            self.network, self.output, card=model_card(facts), weights=self.average.weights
        )

    def _mean(self, value: Tensor) -> Tensor:
        if self.accelerator.num_processes == 1:
            return value
        reduced: Tensor = self.accelerator.reduce(value.detach(), reduction="mean")
        return reduced

    def _agreed(self, stop: bool) -> bool:
        """Whether any process was told to stop: all must leave after the same step."""
        if self.accelerator.num_processes == 1:
            return stop
        return bool(self._mean(torch.tensor(float(stop), device=self.device)) > 0)

    def _finite(self, loss: float) -> None:
        if not math.isfinite(loss):
            raise PortraitError(
                f"the loss is {loss} at step {self.done}; try: --resume from the last checkpoint "
                "will come here again, so another --output with a lower --learning-rate, or "
                "--precision fp32"
            )


def choose_precision(config: TrainingConfig) -> str:
    """``bf16`` where the hardware multiplies it, else ``fp32``, unless the configuration says."""
    if config.precision != "auto":
        return config.precision
    if config.device != "cpu" and torch.cuda.is_available():
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp32"
    can: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
    return "bf16" if can.get("amx_bf16") or can.get("avx512_bf16") else "fp32"


def _mixed(*parts: int) -> int:
    """One 64-bit seed of several numbers."""
    return int(np.random.SeedSequence(parts).generate_state(1, np.uint64)[0] >> np.uint64(1))
