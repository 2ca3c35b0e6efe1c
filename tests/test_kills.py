"""Every command that writes, killed by SIGKILL at random moments and run again.

The moments are the command's own changes of the file system: before a random one of them the
process kills itself, so that also a slow machine is hit where it matters. Builds, publications,
trainings, studies and long clips have tests with kills by time beside their other tests.
"""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import random
import signal
import sys
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest
from PIL import Image

from builder.files import WORK_FOLDER
from tests.builder import packing
from tests.builder.pictures import save_cutouts
from tests.ld_portrait_20k.matting import fixtures
from tests.ld_portrait_20k.samples import build
from tests.ld_portrait_20k.server import Server

pytestmark = pytest.mark.skipif(
    "forkserver" not in multiprocessing.get_all_start_methods(), reason="kills are POSIX"
)

ROUNDS: Final = int(os.environ.get("LD_PORTRAIT_KILLS", "2"))
"""How often each command is killed and brought to its end; more by hand."""
_CHANGES: Final = frozenset({"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link"})
_MATTING: Final = "ld_portrait_20k.matting.cli"
# pymatting is not among them: its OpenMP does not survive a fork.
_PRELOADED: Final = (
    *(
        "refinement.cli.batch",
        "ld_portrait_20k.cli",
        "ld_portrait_20k.export",
        "ld_portrait_20k.download",
    ),
    *("ld_portrait_20k.dataset_builder", "pyarrow.parquet", "scipy.ndimage"),
    "tests.builder.packing",
    *(f"ld_portrait_20k.matting.{name}" for name in ("cli.predict", "cli.key", "cli.shoot")),
    *(f"ld_portrait_20k.matting.{name}" for name in ("cli.video", "video.job")),
    *(f"ld_portrait_20k.matting.{name}" for name in ("prediction.folders", "keying.folders")),
    *("ld_portrait_20k.matting.keying.footage", "builder.deriving.writing", "jinja2"),
)


@dataclass(frozen=True)
class Command:
    """A command line, by its module.

    Attributes:
        module: Whose ``main`` is called.
        words: Its arguments; ``IN`` and ``OUT`` stand for folders, ``URL`` for a server.
        again: What is added to go on with a run that was killed.
        result: Of which files the bytes are compared; all by default. Of Lance's folders, whose
            files have random names, it is the rows.
        needs: A package without which it is skipped.
    """

    module: str
    words: str
    again: str = ""
    result: str = "*"
    needs: str = "numpy"


COMMANDS: Final = {
    "refine": Command("refinement.cli", "IN/people -o OUT --preview --workers 1"),
    "download": Command("ld_portrait_20k.cli", "download URL --output OUT"),
    "export folder": Command("ld_portrait_20k.cli", "export IN/data --to folder --output OUT"),
    "export parquet": Command(
        "ld_portrait_20k.cli", "export IN/data --to parquet --output OUT", needs="datasets"
    ),
    "export lance": Command(
        "ld_portrait_20k.cli", "export IN/data --to lance --output OUT", result="out/*.lance",
        needs="lance",
    ),
    "pack": Command("tests.builder.packing", "IN/drawn OUT"),
    "filter": Command("builder.cli", "filter IN/data --where seed>20000 --output OUT"),
    "merge": Command("builder.cli", "merge IN/data IN/more --renumber --output OUT"),
    "resplit": Command(
        "builder.cli", "resplit IN/data --splits train=0.5,validation=0.5 --output OUT"
    ),
    "predict": Command(
        _MATTING,
        "predict IN/images --trimap IN/trimaps --model guided-filter --output OUT --rgba OUT/rgba",
        needs="pymatting",
    ),
    "key": Command(_MATTING, "key IN/footage --output OUT"),
    "shoot": Command(_MATTING, "shoot IN/people --samples 3 --output OUT"),
    "video": Command(
        _MATTING,
        "video IN/images --masks IN/masks --model guided-filter --output OUT",
        again="--resume", needs="pymatting",
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("inputs")
    save_cutouts(folder / "people", 3, width=80, height=96)
    build(folder / "data", {"train": (2, 2), "test": (1, 2)})
    packing.draw(folder / "faces", folder / "drawn")
    build(folder / "more", {"train": (1, 2)}, size=(32, 24))
    for number in range(3):
        scene = fixtures.scene(number)
        fixtures.write(folder / f"images/{number:05d}.png", scene["image"])
        fixtures.write(folder / f"trimaps/{number:05d}.png", scene["trimap"])
        mask = np.where(scene["alpha"] > 127, 255, 0).astype(np.uint8)
        fixtures.write(folder / f"masks/{number:05d}.png", mask)
        screen = np.full((96, 80, 3), (20, 200, 40), np.uint8)
        with Image.open(folder / f"people/person_{number:03d}.png") as person:
            picture = Image.fromarray(screen)
            picture.paste(person, mask=person.getchannel("A"))
        fixtures.write(folder / f"footage/{number}.png", np.asarray(picture))
    return folder


def child(module: str, words: list[str], log: Path, kill_at: int) -> None:
    """Run a command line in this process; it kills itself before a change of the file system."""
    sink = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(sink, 1)
    os.dup2(sink, 2)
    changes = 0

    def watch(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal changes
        writes = event == "open" and isinstance(arguments[2], int) and arguments[2] & os.O_CREAT
        if event in _CHANGES or writes:
            changes += 1
            if changes == kill_at:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(watch)
    code = import_module(module).main(words)
    made = changes
    log.with_suffix(".count").write_text(str(made))
    sys.exit(code)


def started(command: Command, words: list[str], log: Path, kill_at: int) -> tuple[int, int]:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(_PRELOADED))
    process = context.Process(target=child, args=(command.module, words, log, kill_at))
    process.start()
    process.join(120)
    assert process.exitcode is not None, "it hangs"
    count = log.with_suffix(".count")
    return process.exitcode, int(count.read_text()) if count.exists() else 0


def digests(folder: Path, pattern: str) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(content(path)).hexdigest()
        for path in sorted(folder.rglob(pattern))
        if path.suffix == ".lance" or (path.is_file() and not path.name.startswith("lock"))
    }  # fmt: skip


def content(path: Path) -> bytes:
    if path.is_file():
        return path.read_bytes()
    import lance

    dataset = lance.dataset(str(path))
    assert len(list(path.glob("data/*"))) == len(dataset.versions()) == 1
    return repr(dataset.to_table().to_pylist()).encode()


def leftovers(folder: Path) -> list[str]:
    found = [path.relative_to(folder).as_posix() for path in folder.rglob(".*")]
    return [name for name in found if not name.endswith(WORK_FOLDER)]


@pytest.mark.parametrize("name", COMMANDS)
def test_killed_at_random_and_run_again_it_gives_the_same(
    name: str, inputs: Path, tmp_path: Path
) -> None:
    command = COMMANDS[name]
    pytest.importorskip(command.needs)
    chance = random.Random(f"{name} 15")
    with Server(inputs / "data") as server:

        def run(folder: Path, kill_at: int = 0, again: bool = False) -> tuple[int, int]:
            folder.mkdir(exist_ok=True)
            text = command.words + (f" {command.again}" if again else "")
            places = {"IN": str(inputs), "OUT": str(folder / "out"), "URL": server.url}
            words = []
            for word in text.split():
                for short, long in places.items():
                    word = word.replace(short, long)
                words.append(word)
            return started(command, words, tmp_path / f"{folder.name}.log", kill_at)

        code, changes = run(tmp_path / "whole")
        assert code == 0, (tmp_path / "whole.log").read_text()
        whole = digests(tmp_path / "whole", command.result)
        assert whole and not leftovers(tmp_path / "whole")
        for number in range(ROUNDS):
            folder = tmp_path / f"killed-{number}"
            kill_at = chance.randint(1, changes)
            assert run(folder, kill_at)[0] == -signal.SIGKILL
            if chance.random() < 0.5:  # once more, in what is left to do
                later = chance.randint(1, max(1, changes - kill_at))
                run(folder, later, again=True)
            code, _ = run(folder, again=True)
            where = f"round {number}, killed before change {kill_at} of {changes}"
            assert code == 0, f"{where}: {(tmp_path / f'{folder.name}.log').read_text()}"
            assert digests(folder, command.result) == whole, where
            assert leftovers(folder) == [], where
