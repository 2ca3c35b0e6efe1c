"""Decoding a part of the foreground: the same pictures, the same damage, fewer rows."""

from __future__ import annotations

import io
import pickle
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from PIL import Image

from ld_portrait_20k import PortraitStream, codec
from ld_portrait_20k import compositing as cp
from ld_portrait_20k.deferred import DeferredForeground, takes_deferred
from ld_portrait_20k.errors import ShardError
from ld_portrait_20k.format import schema
from ld_portrait_20k.format.shards import RawSample

from .fuzzing import mutate_bytes
from .samples import build, encoded, picture

DECODERS: tuple[str, ...] = ("_decode_cv2", "_decode_pillow")
SIZE = (72, 96)  # width and height


def raw_sample(index: int, form: str = "png") -> RawSample:
    foreground, alpha, text = encoded(index, *SIZE, form=form)
    return RawSample(schema.sample_id(index), foreground, alpha, text, form, "x.tar", 512)


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(rgb: NDArray[np.uint8], *, interlaced: bool = False, packed: bytes | None = None) -> bytes:
    """A PNG without filters, written by hand: Pillow writes none that is interlaced."""
    height, width = rgb.shape[:2]
    passes = [(0, 0, 1, 1)]
    if interlaced:
        passes = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4),
                  (1, 0, 2, 2), (0, 1, 1, 2)]  # fmt: skip
    lines = b"".join(
        b"\0" + line.tobytes()
        for x, y, across, down in passes
        if x < width
        for line in rgb[y::down, x::across]
    )
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, int(interlaced))
    data = zlib.compress(lines) if packed is None else packed
    parts = [chunk(b"IDAT", data[start : start + 512]) for start in range(0, len(data), 512)]
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + b"".join(parts) + chunk(b"IEND", b"")


@pytest.fixture(params=["", *DECODERS])
def decoder(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Each decoder in turn."""
    name = request.param
    if name:
        chosen = name.removeprefix("_decode_"), getattr(codec.decode, name)
        monkeypatch.setattr(codec.decode, "_png_decoder", lambda: chosen)
    return str(name)


def test_the_first_rows_are_those_of_the_whole(
    decoder: str, capfd: pytest.CaptureFixture[str]
) -> None:
    rgb = picture(7, *SIZE)[0]
    for data in (codec.encode_foreground(rgb), png(rgb), png(rgb, interlaced=True)):
        assert (codec.decode_foreground(data) == rgb).all()
        for rows in (1, 2, 50, 95, 96):
            found = codec.decode_foreground(data, rows=rows)
            assert found.shape == (rows, 72, 3) and (found == rgb[:rows]).all()
            assert found.flags.c_contiguous and found.flags.writeable
    assert capfd.readouterr().err == ""


@settings(max_examples=60)
@given(
    st.tuples(st.integers(1, 40), st.integers(1, 40)).flatmap(
        lambda shape: st.tuples(hnp.arrays(np.uint8, (*shape, 3)), st.integers(1, shape[0]))
    ),
    st.sampled_from(["png", "jpeg"]),
)
def test_any_picture_and_any_number_of_rows(case: tuple[NDArray[np.uint8], int], form: str) -> None:
    rgb, rows = case
    data = codec.encode_foreground(rgb, form)
    whole = codec.decode_foreground(data)
    assert (codec.decode_foreground(data, rows=rows) == whole[:rows]).all()


def test_rows_out_of_range_and_large_pictures_are_refused() -> None:
    data = codec.encode_foreground(picture(1, *SIZE)[0])
    for rows in (0, -1, 97):
        with pytest.raises(ValueError, match="rows is 1 to 96"):
            codec.decode_foreground(data, rows=rows)
    with pytest.raises(codec.ImageError, match="over the limit"):
        codec.decode_foreground(data, rows=1, max_pixels=72 * 96 - 1)
    with pytest.raises(codec.ImageError, match="grey"):
        codec.foreground_header(codec.encode_alpha(picture(1)[1]))


def test_decoding_stops_after_the_rows() -> None:
    """What was coded wrongly beyond them is not seen, because nothing is decoded there."""
    rgb = np.random.default_rng(0).integers(0, 99, (512, 512, 3), dtype=np.uint8)
    packed = zlib.compress(b"".join(b"\0" + line.tobytes() for line in rgb))
    data = png(rgb, packed=packed[: len(packed) // 2] + bytes([255] * 9000))
    assert (codec.decode_foreground(data, rows=40) == rgb[:40]).all()
    for rows in (None, 400, 512):
        with pytest.raises(codec.ImageError, match="corrupt png"):
            codec.decode_foreground(data, rows=rows)


@pytest.mark.parametrize("place", range(100, 400_000, 30_011))
def test_damage_beyond_the_rows_is_found_by_the_crcs(place: int) -> None:
    rgb = np.random.default_rng(0).integers(0, 99, (512, 512, 3), dtype=np.uint8)
    data = bytearray(png(rgb))
    data[place] ^= 255
    for rows in (1, 40, 511):
        with pytest.raises(codec.ImageError, match="corrupt png"):
            codec.decode_foreground(bytes(data), rows=rows)


@settings(max_examples=200)
@given(st.data())
def test_a_flipped_bit_gives_no_other_pixels(data: st.DataObject) -> None:
    rgb = picture(4, 40, 30)[0]
    whole = bytearray(codec.encode_foreground(rgb))
    whole[data.draw(st.integers(0, len(whole) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    rows = data.draw(st.integers(1, 30))
    try:
        found = codec.decode_foreground(bytes(whole), rows=rows)
    except (codec.ImageError, ValueError):  # ValueError: the header says fewer rows now
        return
    assert (found == rgb[:rows]).all()


def test_truncation_anywhere_is_an_error() -> None:
    data = codec.encode_foreground(picture(2, 64, 48)[0])
    for length in range(0, len(data) - 12, 53):
        with pytest.raises(codec.ImageError):
            codec.decode_foreground(data[:length], rows=1)


@pytest.mark.parametrize("sound", [False, True])
def test_mutated_pictures(sound: bool, fuzz: Any) -> None:
    """Whatever the bytes are, also where every chunk's CRC is right."""
    rgb = picture(3, 40, 30)[0]
    packed = zlib.compress(b"".join(b"\0" + line.tobytes() for line in rgb))
    whole = codec.encode_foreground(rgb)

    def case(chance: Any) -> None:
        data = (
            png(rgb, packed=mutate_bytes(chance, packed)) if sound else mutate_bytes(chance, whole)
        )
        header = codec.foreground_header(data, max_pixels=10**6)
        rows = chance.randint(1, header.height)
        part = codec.decode_foreground(data, max_pixels=10**6, rows=rows)
        assert part.shape == (rows, header.width, 3)
        try:
            expected = codec.decode_foreground(data, max_pixels=10**6)
        except codec.ImageError:
            return
        assert (part == expected[:rows]).all()

    fuzz(500).run(case)


class Counted:
    """Says how many rows were decoded."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.rows: list[int] = []
        real = codec.decode_foreground

        def decode(data: bytes, **options: Any) -> NDArray[np.uint8]:
            found = real(data, **options)
            self.rows.append(len(found))
            return found

        monkeypatch.setattr(codec, "decode_foreground", decode)


@pytest.fixture(scope="module")
def roots(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Twelve samples of 72x96 each, as PNG and as JPEG."""
    found = {}
    for form in ("png", "jpeg"):
        found[form] = tmp_path_factory.mktemp(form)
        build(found[form], {"train": (2, 6)}, form=form, size=SIZE)
    return found


@settings(max_examples=300)
@given(st.data())
def test_crops_of_a_part_are_crops_of_the_whole(data: st.DataObject) -> None:
    raw = raw_sample(data.draw(st.integers(0, 3)))
    rgb = codec.decode_foreground(raw.foreground)
    size = data.draw(st.tuples(st.integers(1, 60), st.integers(1, 60)))
    center = data.draw(st.tuples(st.floats(-9, 90), st.floats(-9, 110)))
    options: dict[str, Any] = {
        "scale": data.draw(st.one_of(st.just(1.0), st.floats(0.2, 4.0))),
        "angle": data.draw(st.one_of(st.just(0.0), st.floats(-180, 180))),
        "flip": data.draw(st.booleans()),
    }
    deferred = DeferredForeground(raw, rgb.shape)
    found = cp.crop({"foreground": deferred}, size, center, **options)["foreground"]
    assert (found == cp.crop({"foreground": rgb}, size, center, **options)["foreground"]).all()


def transforms() -> dict[str, cp.Transform]:
    flat = cp.ColourBackgrounds()
    wild = cp.RandomCrop((20, 44), scale=(0.3, 3), rotation=180, around="anywhere")
    return {
        "training": cp.training_transform(flat, 32),
        "training, rotated": cp.training_transform(flat, 24, rotation=30, degrade=0.5),
        "a larger crop than the picture": cp.training_transform(flat, 128),
        "crop alone": cp.RandomCrop(16, scale=(1, 1)),
        "center": cp.RandomCrop(40, around="center"),
        "wild": cp.Compose([wild]),
        "trimap first": cp.Compose([cp.RandomTrimap((1, 4)), cp.RandomCrop(16, scale=(0.5, 2))]),
        "trimap alone": cp.RandomTrimap(),
        "resize": cp.Resize(31),
        "jitter first": cp.Compose([cp.JitterColour(), cp.RandomCrop(16)]),
        "nested": cp.Compose([cp.Compose([cp.RandomTrimap((1, 3))]), cp.Compose([wild])]),
    }


def same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    assert list(one) == list(other)
    return all(
        type(one[key]) is type(other[key]) and bool(np.all(np.asarray(one[key] == other[key])))
        for key in one
    )


@pytest.mark.parametrize("form", ["png", "jpeg"])
@pytest.mark.parametrize("name", list(transforms()))
def test_streams_give_what_transforms_of_arrays_give(
    roots: dict[str, Path], form: str, name: str
) -> None:
    transform = transforms()[name]
    for seed in range(3):
        plain = PortraitStream(roots[form], shuffle=True, seed=seed)
        stream = PortraitStream(roots[form], shuffle=True, seed=seed, transform=transform)
        for found, sample in zip(stream, plain, strict=True):
            assert same(found, transform(sample))


def test_merging_with_a_pool_gives_the_same(roots: dict[str, Path]) -> None:
    transform = cp.training_transform(
        cp.ColourBackgrounds(), 32, pool=PortraitStream(roots["png"]), rotation=9
    )
    stream = PortraitStream(roots["png"], transform=transform)
    for found, sample in zip(stream, PortraitStream(roots["png"]), strict=True):
        assert same(found, transform(sample))


def test_only_the_needed_rows_are_decoded(
    roots: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    counted = Counted(monkeypatch)
    list(PortraitStream(roots["png"], transform=cp.training_transform(cp.ColourBackgrounds(), 24)))
    assert len(counted.rows) == 12 and min(counted.rows) < 50 and sum(counted.rows) < 0.85 * 12 * 96
    counted.rows.clear()
    list(PortraitStream(roots["png"]))
    assert counted.rows == [96] * 12


def test_nothing_is_decoded_that_nobody_asks_for(
    roots: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    @takes_deferred
    def matte(sample: dict[str, Any]) -> NDArray[np.uint8]:
        found: NDArray[np.uint8] = sample["alpha"]
        return found

    counted = Counted(monkeypatch)
    for index, alpha in enumerate(PortraitStream(roots["png"], transform=matte)):
        assert (alpha == picture(index, *SIZE)[1]).all()
    assert counted.rows == []
    whole = takes_deferred(lambda sample: sample)
    for sample in PortraitStream(roots["png"], transform=whole):
        assert isinstance(sample["foreground"], np.ndarray)
    assert counted.rows == [96] * 12


class OwnCrop(cp.RandomCrop):
    """Overrides what the crop does, and knows nothing of deferred foregrounds."""

    def apply(self, sample: dict[str, Any], rng: np.random.Generator) -> dict[str, Any]:
        assert isinstance(sample["foreground"], np.ndarray)
        return super().apply(sample, rng)


class OwnCall(cp.RandomCrop):
    """Overrides how it is called."""

    def __call__(self, sample: dict[str, Any], place: int = 0) -> dict[str, Any]:
        assert isinstance(sample["foreground"], np.ndarray)
        return super().__call__(sample, place)


class OwnCompose(cp.Compose):
    """Overrides how the steps are called."""

    def __call__(self, sample: dict[str, Any], place: int = 0) -> Any:
        assert isinstance(sample["foreground"], np.ndarray)
        return super().__call__(sample, place)


def plain(sample: dict[str, Any]) -> dict[str, Any]:
    assert isinstance(sample["foreground"], np.ndarray)
    return sample


@pytest.mark.parametrize(
    "transform",
    [
        OwnCrop(16), OwnCall(16), OwnCompose([cp.RandomCrop(16)]), plain,
        cp.Compose([plain, cp.RandomCrop(16)]), cp.Compose([cp.RandomTrimap(), plain]),
        cp.Compose([cp.RandomTrimap(), OwnCrop(16)]), cp.Compose([cp.RandomTrimap(), OwnCall(16)]),
    ],
)  # fmt: skip
def test_who_does_not_ask_for_it_gets_arrays(
    roots: dict[str, Path], transform: Callable[[Any], Any]
) -> None:
    found = list(PortraitStream(roots["png"], transform=transform))
    assert len(found) == 12
    assert all(isinstance(sample["foreground"], np.ndarray) for sample in found)


def test_an_encoded_sample_goes_to_the_transform_as_it_is(roots: dict[str, Path]) -> None:
    keep = takes_deferred(lambda raw: raw)
    found = list(PortraitStream(roots["png"], decode=False, transform=keep))
    assert all(isinstance(raw, RawSample) for raw in found)


def test_a_deferred_foreground_can_be_pickled() -> None:
    raw = raw_sample(5)
    deferred = pickle.loads(pickle.dumps(DeferredForeground(raw, (96, 72, 3))))
    assert deferred.shape == (96, 72, 3) and len(repr(deferred)) < 100
    assert (deferred.decode() == picture(5, *SIZE)[0]).all()
    assert (deferred.decode(9) == picture(5, *SIZE)[0][:9]).all()


@pytest.mark.filterwarnings("ignore:This DataLoader will create")
def test_workers_give_the_same(roots: dict[str, Path]) -> None:
    pytest.importorskip("torch")
    from torch.utils.data import DataLoader

    transform = cp.training_transform(cp.ColourBackgrounds(), 16, dtype="uint8")

    def images(workers: int) -> list[Any]:
        stream: Any = PortraitStream(roots["png"], transform=transform)
        loader: Any = DataLoader(stream, batch_size=1, num_workers=workers)
        return [batch["image"] for batch in loader]

    pairs = zip(images(0), images(2), strict=True)
    assert all((one == other).all() for one, other in pairs)


def damage(root: Path, place: int) -> str:
    """Damage the foreground of the fourth sample, ``place`` bytes from its begin or end."""
    path = root / "data/train-00000-of-00002.tar"
    entries = dict(PortraitStream(root).source.manifest().shards[0].entries("png"))
    entry = entries["ldp-0000003"][0]
    data = bytearray(path.read_bytes())
    data[(entry.offset if place > 0 else entry.offset + entry.size) + place] ^= 8
    path.write_bytes(data)
    return path.name


@pytest.mark.parametrize("check", [None, False])
@pytest.mark.parametrize("place", [700, -700, -2000])
def test_damage_is_found_named_and_skipped(tmp_path: Path, check: bool | None, place: int) -> None:
    build(tmp_path, {"train": (2, 6)}, size=SIZE)
    shard = damage(tmp_path, place)
    for transform in (cp.RandomCrop(16), cp.training_transform(cp.ColourBackgrounds(), 16)):
        with pytest.raises(ShardError) as caught:
            list(PortraitStream(tmp_path, transform=transform, check=check))
        assert caught.value.sample == "ldp-0000003" and shard in str(caught.value)
        stream = PortraitStream(tmp_path, transform=transform, check=check, on_error="skip")
        assert len(list(stream)) == 11 and stream.skipped == 1
        assert stream.last_error is not None and stream.last_error.sample == "ldp-0000003"


def test_damage_of_another_sample_is_not_skipped(tmp_path: Path) -> None:
    """What a transform reads besides is its own business, as ever."""
    build(tmp_path, {"train": (2, 6)}, size=SIZE)
    damage(tmp_path, 700)
    pool = PortraitStream(tmp_path)
    transform = cp.Compose([cp.MergeForegrounds(pool, probability=1), cp.RandomCrop(16)])
    stream = PortraitStream(tmp_path, transform=transform, on_error="skip")
    with pytest.raises(ShardError, match="ldp-0000003"):
        for _ in range(20):
            list(stream)


def test_a_foreground_of_another_kind_is_damage(tmp_path: Path) -> None:
    from ld_portrait_20k.format.shards import ShardWriter

    out = io.BytesIO()
    Image.new("RGBA", SIZE).save(out, "PNG")
    path = tmp_path / "train.tar"
    kinds = (out.getvalue(), codec.encode_alpha(picture(1, *SIZE)[1]), encoded(2, 71, 96)[0])
    for foreground in kinds:
        with ShardWriter(path, "png") as writer:
            for index in range(2):
                _, alpha, text = encoded(index, *SIZE)
                first = encoded(index, *SIZE)[0]
                writer.add(schema.sample_id(index), foreground if index else first, alpha, text)
        stream = PortraitStream([path], transform=cp.RandomCrop(16), on_error="skip")
        assert len(list(stream)) == 1 and stream.last_error is not None
        assert stream.last_error.sample == "ldp-0000001"
