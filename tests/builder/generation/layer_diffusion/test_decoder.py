from __future__ import annotations

import hashlib
import json
import logging
import pickle
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from builder.generation.layer_diffusion import TransparentVAEDecoder
from builder.generation.layer_diffusion.decoder import VIEWS, WIDEST, lower_median, turn, turn_back
from builder.generation.layer_diffusion.encoder import OffsetNetwork
from builder.generation.layer_diffusion.memory import most_by_index
from builder.generation.layer_diffusion.network import TransparencyUNet
from ld_portrait_20k.errors import PortraitError
from tests.builder.generation.layer_diffusion.golden import (
    decoder_inputs,
    figures,
    golden_decoder,
)
from tests.builder.generation.layer_diffusion.tiny import TinyPaths


@pytest.fixture(scope="module")
def decoder() -> TransparentVAEDecoder:
    return golden_decoder()


def names_and_shapes(module_class: type[torch.nn.Module]) -> dict[str, tuple[int, ...]]:
    with torch.device("meta"):
        return {name: tuple(t.shape) for name, t in module_class().state_dict().items()}


def digest(shapes: dict[str, tuple[int, ...]]) -> str:
    text = "".join(f"{name} {tuple(shape)}\n" for name, shape in sorted(shapes.items()))
    return hashlib.sha256(text.encode()).hexdigest()


# Of "name shape" lines of the published files, sorted.
PUBLISHED = {
    TransparencyUNet: (538, "d6168b548656b8b5b6a097fdb58832b74f72712aea339981d12e54723add60f9"),
    OffsetNetwork: (18, "ff1fdab96359f938680ad5eaa77408a72deecd56d577d77a2fccfb8fff063e92"),
}


@pytest.mark.parametrize("module_class", PUBLISHED)
def test_names_and_shapes_are_the_published_ones(module_class: type[torch.nn.Module]) -> None:
    shapes = names_and_shapes(module_class)
    assert (len(shapes), digest(shapes)) == PUBLISHED[module_class]


def test_published_listing_is_that_of_the_shared_facts(shared: Path) -> None:
    listing = json.loads((shared / "facts" / "layer_diffusion_state_dicts.json").read_text())
    for key, module_class in (("decoder", TransparencyUNet), ("encoder", OffsetNetwork)):
        published = {name: tuple(shape) for name, shape in listing[key].items()}
        assert names_and_shapes(module_class) == published


# Mean, standard deviation and six values. The implementation that made them agreed with
# LayerDiffuse_DiffusersCLI on these inputs to 2e-6: see compare_reference.py.
GOLDEN = {
    (3, 64, 64, True): [
        0.41431,
        0.164513,
        0.451533,
        0.162526,
        0.399784,
        0.543299,
        0.15103,
        0.567095,
    ],
    (1, 128, 64, True): [
        0.413552,
        0.16573,
        0.440995,
        0.52481,
        0.402906,
        0.230387,
        0.619849,
        0.548591,
    ],
    (3, 128, 64, False): [
        0.437318,
        0.203234,
        0.420442,
        0.090994,
        0.425008,
        0.748969,
        0.451949,
        0.552362,
    ],
}


@pytest.mark.parametrize("case", GOLDEN)
def test_golden_figures(decoder: TransparentVAEDecoder, case: Any) -> None:
    count, height, width, augment = case
    rgba = decoder(*decoder_inputs(count, height, width), augment=augment)
    assert rgba.shape == (count, 4, height, width)
    assert rgba.min() >= 0 and rgba.max() <= 1
    assert figures(rgba) == pytest.approx(GOLDEN[case], abs=1e-4)


def test_augmented_is_the_median_of_eight_single_passes(decoder: TransparentVAEDecoder) -> None:
    pixels, latents = decoder_inputs(1, 64, 128)
    passes = []
    for flip in (False, True):
        for turns in range(4):
            feed = [torch.rot90(x.flip(3) if flip else x, turns, (2, 3)) for x in (pixels, latents)]
            out = torch.rot90(decoder(*feed, augment=False), -turns, (2, 3))
            passes.append(out.flip(3) if flip else out)
    expected = torch.median(torch.stack(passes), dim=0).values
    torch.testing.assert_close(decoder(pixels, latents), expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("view", [(False, 1), (True, 2)])
def test_augmented_follows_rotations_of_its_input(
    decoder: TransparentVAEDecoder, view: tuple[bool, int]
) -> None:
    pixels, latents = decoder_inputs(1, 64, 64)
    turned = decoder(turn(pixels, *view), turn(latents, *view))
    upright = decoder(pixels, latents)
    torch.testing.assert_close(turn_back(turned, *view), upright, atol=1e-5, rtol=0)


def test_a_picture_does_not_depend_on_its_batch(decoder: TransparentVAEDecoder) -> None:
    pixels, latents = decoder_inputs(3, 64, 64)
    together = decoder(pixels, latents, augment=False)
    for at in range(3):
        alone = decoder(pixels[at : at + 1], latents[at : at + 1], augment=False)[0]
        torch.testing.assert_close(together[at], alone, atol=1e-5, rtol=0)


@pytest.mark.parametrize("passes", [3, 20])
def test_the_budget_changes_nothing(decoder: TransparentVAEDecoder, passes: int) -> None:
    pixels, latents = decoder_inputs(3, 64, 64)
    budget = passes * 64 * 64 * 384 * 4
    small = TransparentVAEDecoder(decoder.model, budget=budget)
    batches = []
    hook = decoder.model.register_forward_pre_hook(lambda _, args: batches.append(len(args[0])))
    try:
        found = small(pixels, latents)
    finally:
        hook.remove()
    assert max(batches) <= passes
    assert sum(batches) == 24
    assert figures(found) == pytest.approx(GOLDEN[3, 64, 64, True], abs=1e-4)


def out_of_memory_above(limit: int) -> Callable[[object, Any], None]:
    def check(_: object, args: Any) -> None:
        if len(args[0]) > limit:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")

    return check


def test_out_of_memory_halves_the_batch_and_says_so_once(
    decoder: TransparentVAEDecoder, caplog: pytest.LogCaptureFixture
) -> None:
    pixels, latents = decoder_inputs(3, 64, 64)
    large = TransparentVAEDecoder(decoder.model, budget=1 << 40)
    hook = decoder.model.register_forward_pre_hook(out_of_memory_above(5))
    try:
        with caplog.at_level(logging.WARNING):
            found = large(pixels, latents)
            large(pixels, latents, augment=False)
    finally:
        hook.remove()
    assert figures(found) == pytest.approx(GOLDEN[3, 64, 64, True], abs=1e-4)
    said = [record.message for record in caplog.records]
    assert len(said) == 1 and said[0].startswith("out of memory in the transparent decoder")


def test_out_of_memory_with_one_pass_is_a_clear_error(decoder: TransparentVAEDecoder) -> None:
    hook = decoder.model.register_forward_pre_hook(out_of_memory_above(0))
    try:
        with pytest.raises(PortraitError, match="one picture at a time; try: a smaller --size"):
            TransparentVAEDecoder(decoder.model)(*decoder_inputs(1, 64, 64))
    finally:
        hook.remove()


def test_other_errors_are_not_taken_for_lack_of_memory(decoder: TransparentVAEDecoder) -> None:
    def fail(_: object, args: Any) -> None:
        raise RuntimeError("something else")

    hook = decoder.model.register_forward_pre_hook(fail)
    try:
        with pytest.raises(RuntimeError, match="something else"):
            decoder(*decoder_inputs(1, 64, 64))
    finally:
        hook.remove()


@pytest.mark.parametrize(
    ("pixels", "latents"),
    [
        ((1, 3, 64, 72), (1, 4, 8, 9)),
        ((1, 3, 64, 64), (1, 4, 8, 16)),
        ((2, 3, 64, 64), (1, 4, 8, 8)),
        ((1, 4, 64, 64), (1, 4, 8, 8)),
        ((3, 64, 64), (4, 8, 8)),
        ((1, 3, 0, 64), (1, 4, 0, 8)),
    ],
)
def test_wrong_shapes(
    decoder: TransparentVAEDecoder, pixels: tuple[int, ...], latents: tuple[int, ...]
) -> None:
    with pytest.raises(ValueError, match="must be"):
        decoder(torch.zeros(pixels), torch.zeros(latents))


def test_an_empty_batch(decoder: TransparentVAEDecoder) -> None:
    assert decoder(torch.zeros(0, 3, 64, 64), torch.zeros(0, 4, 8, 8)).shape == (0, 4, 64, 64)


# A few values only, so that ties abound.
VALUES = st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0, float("nan")])


@settings(max_examples=200, deadline=None)
@given(st.lists(st.lists(VALUES, min_size=8, max_size=8), min_size=1, max_size=4))
def test_lower_median_is_torch_median(columns: list[list[float]]) -> None:
    stacked = torch.tensor(columns).T.contiguous()
    expected = torch.median(stacked, dim=0).values
    assert torch.equal(lower_median(list(stacked)).nan_to_num(7), expected.nan_to_num(7))


def test_views_are_undone() -> None:
    x = torch.rand(1, 2, 3, 5)
    assert len(VIEWS) == 8
    assert len({turn(x, *view).numpy().tobytes() for view in VIEWS}) == 8
    for view in VIEWS:
        assert torch.equal(turn_back(turn(x, *view), *view), x)


def test_loads_the_file_in_another_dtype(tiny: TinyPaths) -> None:
    stored = load_file(tiny.decoder)
    decoder = TransparentVAEDecoder.from_safetensors(tiny.decoder, dtype=torch.bfloat16)
    loaded = decoder.model.state_dict()
    assert set(loaded) == set(stored)
    assert all(torch.equal(loaded[name], stored[name].bfloat16()) for name in stored)
    rgba = decoder(*decoder_inputs(1, 64, 64))
    assert rgba.dtype == torch.bfloat16 and rgba.isfinite().all()
    assert not any(p.requires_grad for p in decoder.parameters())


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.floats(0, 1, exclude_max=True))
def test_truncated_files(tiny: TinyPaths, tmp_path: Path, share: float) -> None:
    whole = tiny.encoder.read_bytes()
    # Cut anywhere, and half the time within the header.
    size = int(share * len(whole)) if share > 0.5 else int(share * 4000)
    cut = tmp_path / "cut.safetensors"
    cut.write_bytes(whole[:size])
    with pytest.raises(PortraitError, match=r"cut\.safetensors is truncated .*download it again"):
        TransparentVAEDecoder.from_safetensors(cut)


class Trap:
    def __reduce__(self) -> tuple[Any, ...]:
        return (exec, ("raise SystemExit('a pickle was loaded')",))


def pickle_file(path: Path) -> None:
    path.write_bytes(pickle.dumps({"conv_in.weight": Trap()}))


def zip_file(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps(Trap()))


@pytest.mark.parametrize("name", ["weights.bin", "weights.safetensors"])
@pytest.mark.parametrize("write", [pickle_file, zip_file])
def test_pickles_are_refused_unread(
    tmp_path: Path, name: str, write: Callable[[Path], None]
) -> None:
    path = tmp_path / name
    write(path)
    with pytest.raises(PortraitError, match=r"is a pickle, .*try: the \.safetensors file"):
        TransparentVAEDecoder.from_safetensors(path)


def header_file(path: Path, header: bytes, body: bytes = b"") -> None:
    path.write_bytes(struct.pack("<Q", len(header)) + header + body)


@pytest.mark.parametrize(
    "header",
    [
        b"[1, 2]",
        b"not json",
        b'{"a": 3}',
        b'{"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 4]}}',
        b'{"a": {"dtype": "F32", "shape": [-1], "data_offsets": [4, 0]}}',
    ],
)
def test_other_damage(tmp_path: Path, header: bytes) -> None:
    path = tmp_path / "odd.safetensors"
    header_file(path, header, b"\0" * 16)
    with pytest.raises(PortraitError, match="is not a safetensors file; try: download it again"):
        TransparentVAEDecoder.from_safetensors(path)


def test_a_crafted_header_length_reads_nothing(tmp_path: Path) -> None:
    path = tmp_path / "huge.safetensors"
    path.write_bytes(struct.pack("<Q", 1 << 60) + b"{}")
    with pytest.raises(PortraitError, match="is not a safetensors file"):
        TransparentVAEDecoder.from_safetensors(path)


def test_other_tensors_are_refused_by_name(tiny: TinyPaths, tmp_path: Path) -> None:
    with pytest.raises(PortraitError, match=r"is not a transparent decoder .* and \d+ more"):
        TransparentVAEDecoder.from_safetensors(tiny.encoder)
    tensors = load_file(tiny.decoder)
    tensors["conv_out.weight"] = tensors["conv_out.weight"][:3].contiguous()
    path = tmp_path / "three.safetensors"
    save_file(tensors, path)
    with pytest.raises(PortraitError, match=r"conv_out.weight is \(3, 32, 3, 3\), not \(4, 32"):
        TransparentVAEDecoder.from_safetensors(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(PortraitError, match=r"cannot read .*absent\.safetensors: No such file"):
        TransparentVAEDecoder.from_safetensors(tmp_path / "absent.safetensors")


def test_batches_stay_within_32_bit_indices() -> None:
    passes = most_by_index(1024 * 1024 * WIDEST)
    assert passes * 1024 * 1024 * WIDEST < 2**31 <= (passes + 1) * 1024 * 1024 * WIDEST
    assert most_by_index(1 << 40) == 1
