"""Making a study's data: training folders of every arm, test sets, rivals; once."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ld_portrait_20k.common.files import write_bytes
from ld_portrait_20k.compositing.composite import composite
from ld_portrait_20k.compositing.trimaps import UNKNOWN
from ld_portrait_20k.errors import PortraitError
from ld_portrait_20k.matting.data.sample import MattingSample
from ld_portrait_20k.matting.data.sources import SourceText, open_source
from ld_portrait_20k.matting.experiments import inputs
from ld_portrait_20k.matting.experiments.arms import (
    PARTS,
    Mattes,
    available,
    refined_without,
    source_arm,
)
from ld_portrait_20k.matting.experiments.cells import METHOD, DataRef
from ld_portrait_20k.matting.experiments.overlap import (
    Looks,
    common,
    looks_of,
    mirrored,
    refuse_overlap,
)
from ld_portrait_20k.matting.experiments.prepared import (
    FolderWriter,
    PreparedFolder,
    nested,
    read,
    writing,
)
from ld_portrait_20k.matting.experiments.settings import (
    FRACTIONS,
    Settings,
    digest,
    split_backgrounds,
)
from ld_portrait_20k.matting.metrics.errors import score

COPIES: Final = 4
"""Backgrounds of each foreground in the protocol "in place", whose pictures are fixed."""
TEST_COPIES: Final = 2
"""Backgrounds of each foreground in a test set."""
_JUDGED: Final = 500
"""Mattes that are compared with the truth, at most: the interval is narrow by then."""

Tell = Callable[[str], None]


@dataclass(slots=True)
class Prepared:
    """What cells refer to.

    Attributes:
        arms: Arm to training data, recomposited.
        in_place: Arm to the true pictures with the arm's alpha.
        fractions: Share to the nested subset of the refined arm.
        parts: Arm of the refinement's table to its training data.
        rivals: Other training sets.
        tests: The test sets.
        backgrounds: Fingerprint of the training backgrounds; empty for generated ones.
        matte_errors: Arm to region to metric to one value a foreground.
        notes: What a reader must know of the data.
    """

    arms: dict[str, DataRef] = field(default_factory=dict)
    in_place: dict[str, DataRef] = field(default_factory=dict)
    fractions: dict[float, DataRef] = field(default_factory=dict)
    parts: dict[str, DataRef] = field(default_factory=dict)
    rivals: list[DataRef] = field(default_factory=list)
    tests: list[DataRef] = field(default_factory=list)
    backgrounds: str = ""
    matte_errors: dict[str, dict[str, dict[str, list[float]]]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def prepare(chosen: Settings, work: Path, tell: Tell) -> Prepared:
    """Make what is not there yet.

    Args:
        chosen: The study.
        work: Its work folder.
        tell: Told what is going on, a line at a time.

    Raises:
        PortraitError: The data do not allow the study, or a test set overlaps a training set.
    """
    for left in (work / "data").glob(".*.tmp"):
        shutil.rmtree(left, ignore_errors=True)
    return _Preparation(chosen, work, tell).run()


class _Preparation:
    def __init__(self, chosen: Settings, work: Path, tell: Tell) -> None:
        self.chosen, self.work, self.tell = chosen, work, tell
        self.train_pictures, self.test_pictures = split_backgrounds(chosen)
        self.data = inputs.open_foregrounds(chosen.data)
        self.result = Prepared(backgrounds=self._list_backgrounds())
        about = [METHOD, inputs.listing(chosen.data), chosen.hold_out]
        self.key = _short([*about, self.result.backgrounds])
        first = self.data.read(0)
        self.source_arms = available(first)
        self.with_parts = "refinement" in chosen.tables and first.raw is not None

    def run(self) -> Prepared:
        trained = self._training_sets()
        tests = self._test_sets(trained)
        rivals = [self._rival(text) for text in self.chosen.rivals]
        test_looks = [_test_looks(folder, name) for name, folder in tests]
        refuse_overlap(test_looks, [trained, *(looks for _, looks in rivals)])
        self.result.rivals = [ref for ref, _ in rivals]
        self.result.tests = [folder.ref(name, self.work) for name, folder in tests]
        if "truth" not in self.source_arms:
            self.result.notes.append(
                "The exact mattes of these foregrounds are not known: there is no arm truth, "
                "no table of the mattes' own errors, and the camera films refined mattes."
            )
        self.result.notes += self.chosen.notes
        return self.result

    def _list_backgrounds(self) -> str:
        if not self.train_pictures:
            return ""
        mark = _short([digest(path) for path in self.train_pictures])
        lines = "".join(f"{path.resolve()}\n" for path in self.train_pictures)
        write_bytes(background_list(self.work, mark), lines.encode())
        return mark

    def _folder(self, kind: str, arm: str) -> Path:
        return self.work / "data" / f"{kind}-{arm.replace(' ', '-')}-{self.key}"

    def _training_sets(self) -> Looks:
        """Write every arm's training data in one pass over the dataset."""
        tables = self.chosen.tables
        arms = self.source_arms if "source" in tables else ("refined",)
        wanted = {("arm", arm): self._folder("arm", arm) for arm in arms}
        if "source" in tables:
            wanted |= {("in place", arm): self._folder("in-place", arm) for arm in arms}
        if self.with_parts:
            wanted |= {("part", arm): self._folder("part", arm) for arm in PARTS}
        with ExitStack() as stack:
            opened = {key: stack.enter_context(writing(path)) for key, path in wanted.items()}
            writers = {key: writer for key, writer in opened.items() if writer is not None}
            if writers:
                self._write_arms(writers)
        folders = {key: read(path) for key, path in wanted.items()}
        result = self.result
        for (kind, arm), folder in folders.items():
            target = {"arm": result.arms, "in place": result.in_place, "part": result.parts}[kind]
            target[arm] = folder.ref(arm, self.work)
            errors = _errors_of(folder)
            if kind != "in place" and errors:
                result.matte_errors[arm] = errors
        whole = folders["arm", "refined"]
        if "capacity" in tables:
            self._subsets(whole)
        ids = tuple(entry.sample_id for entry in whole.entries)
        return Looks(self.data.name, ids, tuple(entry.looks for entry in whole.entries))

    def _write_arms(self, writers: Mapping[tuple[str, str], FolderWriter]) -> None:
        places, _ = self.data.divide(self.chosen.hold_out)
        if not places:
            raise PortraitError(f"{self.chosen.data}: nothing to train on is left; try: more data")
        images: dict[str, Path] = {}
        for done, name in enumerate(nested(places)):
            mattes = self.data.read(places[name])
            looks = looks_of(_sample(name, mattes.refined))
            for (kind, arm), writer in writers.items():
                seed = int(_short([name]), 16) % 2**31
                make = refined_without(arm, mattes) if kind == "part" else None
                foreground, alpha = make or source_arm(arm, mattes, seed)
                errors = self._errors(mattes, alpha, arm) if done < _JUDGED else {}
                if kind == "in place":
                    self._write_in_place(writer, mattes, alpha, images)
                else:
                    writer.add(name, {"foreground": foreground, "alpha": alpha},
                               looks=looks, errors=errors)  # fmt: skip
            if (done + 1) % 20 == 0 or done + 1 == len(places):
                self.tell(f"prepared {done + 1} of {len(places)} training foregrounds")

    def _write_in_place(
        self, writer: FolderWriter, mattes: Mattes, alpha: NDArray[np.uint8],
        images: dict[str, Path],
    ) -> None:  # fmt: skip
        """The true picture over a few backgrounds, the same for every arm, and the arm's alpha."""
        foreground, true = mattes.best
        for copy in range(COPIES):
            name = f"{mattes.sample_id}-{copy}"
            image: NDArray[np.uint8] | Path
            if name in images:
                image = images[name]
            else:
                background = inputs.draw_background(
                    self.train_pictures, f"in place {name}", *true.shape
                )
                image = composite(foreground, true, background)
            writer.add(name, {"image": image, "alpha": alpha}, source_id=mattes.sample_id)
            images[name] = writer.folder / "image" / f"{name}.png"

    def _errors(
        self, mattes: Mattes, alpha: NDArray[np.uint8], arm: str
    ) -> dict[str, dict[str, float]]:
        if mattes.truth is None or arm == "truth":
            return {}
        true = mattes.truth[1]
        band = inputs.test_trimap(MattingSample("", true)) == UNKNOWN
        return score(alpha / 255.0, true / 255.0, {"whole": None, "unknown": band})

    def _subsets(self, whole: PreparedFolder) -> None:
        for fraction in FRACTIONS:
            count = max(1, round(fraction * len(whole.entries)))
            folder = whole
            if fraction < 1:
                folder = whole.first(count, self._folder("fraction", f"{fraction:g}"))
            self.result.fractions[fraction] = folder.ref(f"{fraction:g}", self.work)

    def _test_sets(self, trained: Looks) -> list[tuple[str, PreparedFolder]]:
        found = []
        if self.chosen.hold_out:
            found.append(("held-out", self._held_out(trained)))
        for text in self.chosen.tests:
            name = SourceText.parse(text).name
            if name in [other for other, _ in found]:
                raise PortraitError(f"two test sets are called {name}; try: --test OTHER=DIR")
            found.append((name, self._given_test(name, text)))
        return found

    def _held_out(self, trained: Looks) -> PreparedFolder:
        folder = self.work / "data" / f"test-held-out-{_short([self.key, *self._test_facts()])}"
        with writing(folder) as writer:
            if writer is not None:
                self._write_test(writer, "held-out", self._unseen(trained))
        return read(folder)

    def _unseen(self, trained: Looks) -> list[MattingSample]:
        """Held-out foregrounds, as many as wanted, without those that look like a trained one."""
        _, places = self.data.divide(self.chosen.hold_out)
        kept: list[MattingSample] = []
        for name in nested(places):
            sample = _sample(name, self.data.read(places[name]).best)
            if not _seen(sample, trained):
                kept.append(sample)
            if len(kept) == self.chosen.test_samples:
                break
        return kept

    def _given_test(self, name: str, text: str) -> PreparedFolder:
        mark = _short([METHOD, inputs.listing(text), *self._test_facts()])
        folder = self.work / "data" / f"test-{name}-{mark}"
        with writing(folder) as writer:
            if writer is not None:
                source = inputs.open_test(text)
                indices = inputs.spread(source, self.chosen.test_samples)
                self._write_test(writer, name, [source[index] for index in indices])
        return read(folder)

    def _test_facts(self) -> list[Any]:
        pictures = [digest(path) for path in self.test_pictures]
        return [self.chosen.side, self.chosen.test_samples, pictures]

    def _write_test(self, writer: FolderWriter, name: str, samples: list[MattingSample]) -> None:
        if not samples:
            raise PortraitError(f"test set {name}: no pictures are left; try: more data")
        for sample in samples:
            looks = looks_of(sample) + looks_of(mirrored(sample))
            small = inputs.reduced(sample, self.chosen.side)
            common = {"alpha": small.alpha, "trimap": inputs.test_trimap(small)}
            ident = sample.sample_id.replace("/", "_")
            if small.image is not None:
                writer.add(ident, {"image": small.image, **common}, looks=looks)
                continue
            assert small.foreground is not None
            for copy in range(TEST_COPIES):
                background = inputs.draw_background(
                    self.test_pictures, f"test {name} {ident} {copy}", *small.alpha.shape
                )
                image = composite(small.foreground, small.alpha, background)
                writer.add(f"{ident}-{copy}", {"image": image, **common},
                           source_id=ident, looks=looks)  # fmt: skip
        self.tell(f"prepared test set {name}: {len(writer.entries)} pictures")

    def _rival(self, text: str) -> tuple[DataRef, Looks]:
        """A rival is trained on where it lies; its samples are hashed once."""
        given = SourceText.parse(text)
        path = self.work / "rivals" / f"{_short([METHOD, inputs.listing(text)])}.json"
        if not path.is_file():
            source = open_source(text)
            rows = [
                (sample.sample_id, looks_of(sample), inputs.fingerprint(sample))
                for sample in (source[index] for index in range(len(source)))
            ]
            write_bytes(path, json.dumps(rows).encode())
            self.tell(f"read rival {given.name}: {len(rows)} samples")
        rows = json.loads(path.read_text())
        mark = hashlib.sha256("".join(row[2] for row in rows).encode()).hexdigest()[:32]
        root = Path(given.where).expanduser()
        where = f"{root.resolve() if root.exists() else given.where}"
        where += f"#{given.part}" if given.part else ""
        looks = Looks(given.name, tuple(r[0] for r in rows), tuple(r[1] for r in rows))
        return DataRef(given.name, f"{given.name}={where}", mark, len(rows)), looks


def background_list(work: Path, mark: str) -> Path:
    """The list of training backgrounds of a fingerprint."""
    return work / f"backgrounds-{mark}.txt"


def _errors_of(folder: PreparedFolder) -> dict[str, dict[str, list[float]]]:
    found: dict[str, dict[str, list[float]]] = {}
    for entry in folder.entries:
        for region, figures in entry.errors.items():
            for metric, value in figures.items():
                found.setdefault(region, {}).setdefault(metric, []).append(value)
    return found


def _test_looks(folder: PreparedFolder, name: str) -> Looks:
    """As they are and mirrored: :meth:`_write_test` notes both."""
    ids = tuple(entry.source_id for entry in folder.entries for _ in range(2))
    hashes = [(entry.looks[:32], entry.looks[32:]) for entry in folder.entries]
    return Looks(name, ids, tuple(text for pair in hashes for text in pair))


def _seen(sample: MattingSample, trained: Looks) -> bool:
    looks = (looks_of(sample), looks_of(mirrored(sample)))
    return bool(common(Looks("", (sample.sample_id,) * 2, looks), trained))


def _sample(name: str, pair: tuple[NDArray[np.uint8], NDArray[np.uint8]]) -> MattingSample:
    return MattingSample(name, pair[1], foreground=pair[0])


def _short(parts: list[Any]) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:12]
