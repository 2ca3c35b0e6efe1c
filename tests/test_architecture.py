"""How the rooms hang together: computed from the imports of every module."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("builder", "dataset_card", "ld_portrait_20k", "refinement")
MOST_LINES = 400
MOST_AT_ROOT = 8

BUILDER_LAYERS = (
    *("builder.workers", "builder.pipeline", "builder.deriving", "builder.engines"),
    "builder.cli",
)
REFINEMENT_LAYERS = tuple(
    f"refinement.{room}"
    for room in ("planes", "regions", "holes", "band", "colour", "pipeline", "cli")
)
READER_LAYERS = tuple(
    f"ld_portrait_20k.{room}"
    for room in ("common", "codec", "format", "selection", "streaming", "cli", "command")
)
STACKS = (BUILDER_LAYERS, REFINEMENT_LAYERS, READER_LAYERS)
"""From the bottom up: a room imports itself and those before it, never those after it."""
HEAVY = ("torch", "diffusers", "transformers")


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


FILES = {module_name(path): path for package in PACKAGES for path in (ROOT / package).rglob("*.py")}


def statements(tree: ast.AST) -> Iterator[ast.Import | ast.ImportFrom]:
    """Every import of a module, those inside functions too, but not those for types alone."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield node
        yield from statements(node)


def imported(name: str) -> set[str]:
    """The modules of ours that a module imports."""
    path = FILES[name]
    found: set[str] = set()
    for node in statements(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
            continue
        base = node.module or ""
        if node.level:
            package = name.split(".") if path.name == "__init__.py" else name.split(".")[:-1]
            package = package[: len(package) - node.level + 1]
            base = ".".join([*package, *filter(None, [node.module])])
        for alias in node.names:
            inner = f"{base}.{alias.name}"
            found.add(inner if inner in FILES else base)
    return {module for module in found if module in FILES} - {name}


IMPORTS = {name: imported(name) for name in FILES}


def reachable(name: str) -> set[str]:
    seen: set[str] = set()
    waiting = [name]
    while waiting:
        for module in IMPORTS[waiting.pop()] - seen:
            seen.add(module)
            waiting.append(module)
    return seen


def test_no_import_circle() -> None:
    reach = {name: reachable(name) for name in FILES}
    circles = {
        frozenset(other for other in reach[name] if name in reach[other])
        for name in FILES
        if name in reach[name]
    }
    assert circles == set()


def test_imports_have_one_style() -> None:
    relative = [
        name
        for name, path in FILES.items()
        for node in statements(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom) and node.level
    ]
    assert relative == []


def test_the_imports_were_found() -> None:
    """The other tests prove nothing if the reading of imports is broken."""
    assert "builder.pipeline.unit_builder" in IMPORTS["builder.pipeline.build"]
    assert "builder.engines.slurm" in IMPORTS["builder.engines.cluster"]  # inside a function
    assert "ld_portrait_20k.streaming.sources" in IMPORTS["ld_portrait_20k.streaming.stream"]
    assert "builder.pipeline.work_folder" not in IMPORTS["builder.pipeline.run_options"]
    assert len(FILES) > 100


@pytest.mark.parametrize("package", ["builder", "ld_portrait_20k", "refinement"])
def test_the_root_of_a_package_is_small(package: str) -> None:
    own = {path.stem for path in (ROOT / package).glob("*.py")} - {"__init__", "__main__"}
    assert len(own) <= MOST_AT_ROOT, sorted(own)


def test_modules_are_read_in_one_sitting() -> None:
    lines = {name: path.read_text(encoding="utf-8").count("\n") for name, path in FILES.items()}
    long = {name: count for name, count in lines.items() if count > MOST_LINES}
    assert long == {}


def within(name: str, room: str) -> bool:
    return name == room or name.startswith(f"{room}.")


@pytest.mark.parametrize(("stack", "room"), [(stack, room) for stack in STACKS for room in stack])
def test_layers_import_downwards(stack: tuple[str, ...], room: str) -> None:
    above = stack[stack.index(room) + 1 :]
    wrong = {
        (name, module)
        for name in FILES
        if within(name, room)
        for module in IMPORTS[name]
        if any(within(module, other) for other in above)
    }
    assert wrong == set()


def test_what_lies_below_the_pipeline_does_not_import_it() -> None:
    below = ("generation", "prompts", "quality", "workers", "plan", "config", "files")
    rooms = tuple(f"builder.{name}" for name in below)
    wrong = {
        (name, module)
        for name in FILES
        if any(within(name, room) for room in rooms)
        for module in IMPORTS[name]
        if any(within(module, room) for room in BUILDER_LAYERS[1:])
    }
    assert wrong == set()


@pytest.mark.parametrize("package", ["ld_portrait_20k", "refinement"])
def test_the_reader_and_the_refinement_stand_alone(package: str) -> None:
    """``load_dataset(name="regenerate")`` imports ``builder.api`` by name, when asked to."""
    others = [other for other in PACKAGES if other != package]
    wrong = {
        (name, module)
        for name in FILES
        if within(name, package)
        for module in IMPORTS[name]
        if any(within(module, other) for other in others)
    }
    assert wrong == set()


@pytest.mark.parametrize("module", ["ld_portrait_20k", "refinement", "builder.cli"])
def test_importing_is_cheap(module: str) -> None:
    script = (
        "import sys\n"
        f"import {module}\n"
        "if 'builder' in sys.modules:\n"
        "    import builder.cli\n"
        "    builder.cli.parser()\n"
        f"print([name for name in {HEAVY} if name in sys.modules])\n"
    )
    found = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert found.stdout.strip() == "[]"
