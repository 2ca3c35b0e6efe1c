"""Which generators there are: this package's, installed ones, and any ``package.module:Name``."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from builder import plugins
from builder.generation.added import AddedEntry
from builder.generation.built_in import BUILT_IN
from builder.generation.protocol import Generator, GeneratorEntry
from ld_portrait_20k.errors import PortraitError

if TYPE_CHECKING:
    from builder.config import BuildConfig


def entry_named(name: str) -> GeneratorEntry:
    """The entry that a command line names.

    Args:
        name: A name of :data:`BUILT_IN`, of an installed entry point, or
            ``package.module:Name``.

    Raises:
        PortraitError: No such generator, or one that cannot be imported.
    """
    if name in BUILT_IN:
        return BUILT_IN[name]
    if plugins.is_path(name):
        return _added(name)
    installed = plugins.installed(plugins.GENERATOR_GROUP)
    if name not in installed:
        known = ", ".join([*(key for key in BUILT_IN if key != "dataset"), *installed])
        raise PortraitError(
            f"--generator {name!r}: no such generator; there are {known}; "
            "try: package.module:Name for one of your own"
        )
    return _added(installed[name])


def entry_of(spec: Mapping[str, Any]) -> GeneratorEntry:
    """The entry of a plan's ``generator`` section.

    Raises:
        PortraitError: A generator of another package that cannot be imported here.
    """
    if "via" in spec:
        return BUILT_IN["dataset"]
    if "import" in spec:
        return _added(spec["import"])
    return BUILT_IN[spec["name"]]


def _added(path: str) -> GeneratorEntry:
    loaded = plugins.load(path, "--generator")
    entry: GeneratorEntry
    if inspect.isclass(loaded) and issubclass(loaded, GeneratorEntry):
        entry = loaded()
    else:
        entry = AddedEntry(path, loaded)
    if entry.name in BUILT_IN:
        raise PortraitError(
            f"--generator {path}: its name {entry.name!r} is that of a generator of this "
            "package; try: another name"
        )
    return entry


def generator_spec(
    config: BuildConfig, device: str = "auto", *, allow_unresolved: bool = False
) -> dict[str, Any]:
    """Name, version, options and models: all that decides a generator's pictures.

    The spec of an added generator also says what to import, so that workers on other
    machines find the same.

    Args:
        config: What to build.
        device: Where a device generator will compute; it need not be there now.
        allow_unresolved: See :func:`builder.pipeline.planner.make_plan`.

    Raises:
        PortraitError: An option that cannot be, or model weights that cannot be used.
    """
    entry = entry_named(config.generator)
    spec = entry.spec(config, device, allow_unresolved=allow_unresolved)
    if entry.name in BUILT_IN:
        return spec
    path = config.generator
    if not plugins.is_path(path):
        path = plugins.installed(plugins.GENERATOR_GROUP)[path]
    runs_on = "device" if entry.on_device else "workers"
    return {**spec, "import": path, "runs_on": runs_on}


def runs_in_workers(generator_spec: Mapping[str, Any]) -> bool:
    """Whether a generator runs inside the CPU workers; else it owns a device and runs alone.

    Args:
        generator_spec: See :func:`generator_spec`.
    """
    if "import" in generator_spec:
        # Workers of a device generator need not import it, nor the libraries it needs.
        return bool(generator_spec["runs_on"] == "workers")
    return not entry_of(generator_spec).on_device


def gives_truth(generator_spec: Mapping[str, Any]) -> bool:
    """Whether every picture comes with its exact matte.

    Args:
        generator_spec: See :func:`generator_spec`.
    """
    return entry_of(generator_spec).gives_truth(generator_spec)


def model_folders(config: BuildConfig) -> dict[str, str]:
    """Where the models that a configuration takes from local folders lie, absolute."""
    if config.generator != "layer-diffusion":
        return {}
    from builder.generation import layer_diffusion

    return layer_diffusion.model_folders(
        layer_diffusion.LayerDiffusionConfig(**config.layer_diffusion)
    )


def check_ready(
    generator_spec: Mapping[str, Any], options: Mapping[str, Any], pictures: int
) -> None:
    """Check that a plan's generator can run on this machine, before anything is written.

    Args:
        generator_spec: The plan's ``generator`` section.
        options: See :func:`open_generator`.
        pictures: How many pictures are wanted, for the estimate in a message.

    Raises:
        PortraitError: No such device, or a package that it needs is missing.
    """
    entry_of(generator_spec).check_ready(generator_spec, options, pictures)


def open_generator(generator_spec: Mapping[str, Any], options: Mapping[str, Any]) -> Generator:
    """Open the generator of a plan.

    Args:
        generator_spec: The plan's ``generator`` section.
        options: What does not decide bytes
            (:meth:`builder.pipeline.run_options.RunOptions.generator_options`).
    """
    return entry_of(generator_spec).open(generator_spec, options)


def run_needs(
    generator_spec: Mapping[str, Any], width: int, height: int
) -> tuple[list[dict[str, Any]], list[str]]:
    """What a run takes beside disk: repositories to download from, and lines on hardware.

    Args:
        generator_spec: The plan's ``generator`` section.
        width: Of a picture, in pixels; 0 where that is not planned.
        height: Of a picture, in pixels; 0 where that is not planned.
    """
    return entry_of(generator_spec).run_needs(generator_spec, width, height)
