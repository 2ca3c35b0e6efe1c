"""Generators that users add: a plain class becomes an entry of the registry, and is checked."""

from __future__ import annotations

import inspect
import re
import traceback
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, get_args

import numpy as np

from builder.generation.protocol import (
    Generated,
    Generator,
    GeneratorEntry,
    Rejection,
    Request,
)
from ld_portrait_20k.errors import PortraitError
from ld_portrait_20k.format import schema

if TYPE_CHECKING:
    from builder.config import BuildConfig

_NAME: Final = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*\Z")
_TRUE: Final = frozenset({"true", "yes", "1"})
_FALSE: Final = frozenset({"false", "no", "0"})
_PLAIN: Final = (str, int, float, bool, type(None))
DEVICE: Final = "device"
"""The constructor's argument that gets the device of a run; it is no option of the plan."""


class AddedEntry(GeneratorEntry):
    """A generator class of the user's or of another package.

    The class has the attributes of :class:`builder.generation.protocol.Generator` and:

    - ``version``: text that changes whenever the same request would give another picture;
    - ``runs_on`` (optional): ``"device"`` for a generator that owns a device and is opened
      once beside the workers, with that device as its argument ``device`` if it takes one;
    - ``gives_truth`` (optional): True if every :class:`Generated` has its exact matte;
    - ``reads_negative_prompt`` (optional): True to get negative prompts;
    - ``models`` (optional, also of an instance): the weights it loads, dicts of
      :data:`ld_portrait_20k.format.schema.MODEL_FIELDS`.

    Its other constructor arguments are its options (``--generator-option NAME=VALUE``): text is
    converted to the annotated type, and what is not given has its default in the plan.

    Args:
        path: ``package.module:Name`` of the class.
        factory: The class.

    Raises:
        PortraitError: It is no generator.
    """

    def __init__(self, path: str, factory: Any) -> None:
        self.path = path
        self._factory = factory
        for attribute in ("name", "version", "generate"):
            if not hasattr(factory, attribute):
                raise PortraitError(
                    f"--generator {path}: has no {attribute}; "
                    "builder/generation/README.md shows a generator"
                )
        self.name = str(factory.name)
        if not _NAME.match(self.name):
            raise PortraitError(
                f"--generator {path}: its name {self.name!r} is not like my-generator"
            )
        self.version = str(factory.version)
        self.summary = (inspect.getdoc(factory) or "").partition("\n")[0]
        self.on_device = getattr(factory, "runs_on", None) == DEVICE
        self.reads_negative_prompt = bool(getattr(factory, "reads_negative_prompt", False))

    def spec(
        self, config: BuildConfig, device: str = "auto", *, allow_unresolved: bool = False
    ) -> dict[str, Any]:
        """Name, version, import path, every option with its value, and models if any."""
        options = self._converted(config.generator_options)
        spec = {
            "name": self.name,
            "version": self.version,
            "import": self.path,
            "options": options,
        }
        models = getattr(self._construct(options), "models", None)
        return {**spec, "models": list(models)} if models else spec

    def open(self, spec: Mapping[str, Any], run_options: Mapping[str, Any]) -> Generator:
        """Construct the generator, after a check that it is the planned one.

        Raises:
            PortraitError: Another version is installed here, or it cannot be constructed.
        """
        if self.version != spec["version"]:
            raise PortraitError(
                f"generator {self.path}: version {self.version} here, the plan was made with "
                f"{spec['version']}; try: install that version"
            )
        extra = {}
        if self.on_device and DEVICE in self._parameters(with_device=True):
            extra[DEVICE] = run_options.get(DEVICE)
        return CheckedGenerator(self, self._construct(spec["options"], **extra))

    def gives_truth(self, spec: Mapping[str, Any]) -> bool:
        """As the class says."""
        return bool(getattr(self._factory, "gives_truth", False))

    def options(self) -> dict[str, str]:
        """Its options as a person reads them: name to type and default."""
        return {
            name: str(parameter).partition(":")[2].strip() or str(parameter)
            for name, parameter in self._parameters().items()
        }

    def _parameters(self, *, with_device: bool = False) -> dict[str, inspect.Parameter]:
        try:
            found = inspect.signature(self._factory, eval_str=True).parameters
        except (NameError, TypeError):  # annotations that only a type checker can read
            found = inspect.signature(self._factory).parameters
        keyword = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
        return {
            name: parameter
            for name, parameter in found.items()
            if parameter.kind in keyword and (with_device or name != DEVICE)
        }

    def _converted(self, given: Mapping[str, str]) -> dict[str, Any]:
        parameters = self._parameters()
        for name in given:
            if name not in parameters:
                listed = ", ".join(parameters) or "none"
                raise PortraitError(
                    f"--generator-option {name}: {self.path} has no such option; it has {listed}"
                )
        options: dict[str, Any] = {}
        for name, parameter in parameters.items():
            if name in given:
                options[name] = _convert(name, str(given[name]), parameter.annotation)
            elif parameter.default is inspect.Parameter.empty:
                raise PortraitError(f"--generator {self.path}: needs --generator-option {name}=...")
            else:
                options[name] = parameter.default
            if not isinstance(options[name], _PLAIN):
                raise PortraitError(
                    f"--generator {self.path}: the default of {name} is no text or number, "
                    f"so the plan cannot hold it; try: --generator-option {name}=..."
                )
        return options

    def _construct(self, options: Mapping[str, Any], **extra: Any) -> Any:
        try:
            return self._factory(**options, **extra)
        except Exception as problem:
            listed = ", ".join(f"{name}={value}" for name, value in options.items())
            raise PortraitError(
                f"--generator {self.path} with {listed or 'no options'}: {describe(problem)}"
            ) from problem


def _convert(name: str, text: str, kind: Any) -> Any:
    """An option's text as the annotated type: str, int, float or bool; others stay text."""
    known = [item for item in (kind, *get_args(kind)) if item in (bool, int, float, str)]
    wanted: Any = known[0] if known else str
    try:
        if wanted is bool:
            if text.lower() not in _TRUE | _FALSE:
                raise ValueError
            return text.lower() in _TRUE
        return wanted(text)
    except ValueError:
        form = {bool: "true or false", int: "a whole number", float: "a number"}[wanted]
        raise PortraitError(f"--generator-option {name}={text}: is {form}") from None


def describe(problem: BaseException) -> str:
    """An error of a user's code on one line: its type, message, file and line."""
    place = traceback.extract_tb(problem.__traceback__)[-1]
    text = " ".join(str(problem).split())
    return f"{type(problem).__name__}: {text} ({place.filename}:{place.lineno})"


class CheckedGenerator:
    """Runs a user's generator and checks what it gives, sample by sample.

    Args:
        entry: Its entry.
        generator: The generator itself.
    """

    def __init__(self, entry: AddedEntry, generator: Any) -> None:
        self.name = entry.name
        self.batch_size = max(1, int(getattr(generator, "batch_size", 1)))
        self.repeatable = bool(getattr(generator, "repeatable", True))
        self._entry = entry
        self._truth = entry.gives_truth({})
        self._generator = generator

    def generate(self, requests: Sequence[Request]) -> Iterator[Generated | Rejection]:
        """The generator's results.

        Raises:
            PortraitError: It failed, gave another number of results or other things than
                pictures of the planned size.
        """
        results: Iterator[Any] = iter(())
        # Once more than there are requests, to see that it ends.
        for place, request in enumerate([*requests, *requests[-1:]]):
            last = place == len(requests)
            try:
                results = results if place else iter(self._generator.generate(requests))
                made = next(results)
            except StopIteration:
                if last:
                    return
                raise self._error(request, f"gave {place} results for {len(requests)}") from None
            except PortraitError:
                raise
            except (Exception, SystemExit) as problem:
                raise self._error(request, f"failed: {describe(problem)}") from problem
            if last:
                raise self._error(request, f"gave more results than {len(requests)}")
            self._check(request, made)
            yield made

    def _error(self, request: Request, what: str) -> PortraitError:
        return PortraitError(f"generator {self._entry.path}, sample {request.row.id}: {what}")

    def _check(self, request: Request, made: Any) -> None:
        if not isinstance(made, (Generated, Rejection)):
            raise self._error(request, f"gave {type(made).__name__}, no Generated or Rejection")
        if made.request.row.id != request.row.id:
            raise self._error(request, f"gave the result of {made.request.row.id} in its place")
        if isinstance(made, Rejection):
            return
        height, width = made.alpha.shape[:2]
        row = request.row
        if (row.width, row.height) not in ((0, 0), (width, height)):
            raise self._error(
                request, f"is {width}x{height} pixels, planned were {row.width}x{row.height}"
            )
        layers = {"foreground": (made.foreground, 3), "alpha": (made.alpha, 0)}
        if made.truth is not None:
            layers |= {"truth foreground": (made.truth[0], 3), "truth alpha": (made.truth[1], 0)}
        elif self._truth:
            raise self._error(request, "gives_truth is set, and there is no truth")
        for name, (layer, channels) in layers.items():
            shape = (height, width, channels) if channels else (height, width)
            if layer.dtype != np.uint8 or layer.shape != shape:
                raise self._error(
                    request, f"{name} is {layer.dtype} {layer.shape}, not uint8 {shape}"
                )
        record = {"name": self.name, "version": self._entry.version, **made.record}
        try:
            schema.complete({"generator": record})
        except ValueError as problem:
            raise self._error(request, f"record: {problem}") from None
        made.record = record
