"""What every key of a sample's metadata means."""

from __future__ import annotations

from typing import Any, Final

from ld_portrait_20k.format import schema

DESCRIPTIONS: Final[dict[str, str]] = {
    "id": "the sample's id, stable as the dataset grows",
    "prompt": "the text that describes the portrait; empty where unknown",
    "negative_prompt": "what the generator was told to avoid",
    "attributes": "what the prompt says; null where unknown or not applicable",
    "seed": "the sample's seed",
    "attempt": "which attempt passed quality control, 0 for the first",
    "width": "in pixels",
    "height": "in pixels",
    "generator": "what made the picture",
    "generator.name": "procedural, folder, layer-diffusion, or that of another package",
    "generator.version": "version of the generator's code",
    "generator.models": "the weights used; empty where none were",
    "generator.models.role": "base, vae, layer diffusion offsets, transparent decoder ...",
    "generator.models.id": "repository",
    "generator.models.revision": "commit of the repository",
    "generator.models.file": "file in the repository",
    "generator.models.sha256": "of the file",
    "generator.sampler": "diffusion sampler",
    "generator.steps": "sampling steps",
    "generator.guidance": "classifier-free guidance scale",
    "generator.batch_size": "pictures sampled together; changes floating-point noise",
    "generator.dtype": "number format of the networks",
    "generator.damage": "strength of the damage done to an exact alpha, 0 to 1",
    "generator.software": "versions of the libraries used",
    "refinement": "what refinement did",
    "refinement.version": "version of the refinement",
    "refinement.filled_area": "share of the picture raised to opaque inside the body",
    "refinement.cleared_area": "share of the picture cleared away from the body",
    "refinement.pieces_removed": "detached pieces removed",
    "refinement.openings_kept": "enclosed openings (curls, arms) kept open",
    "refinement.band_area": "share of the picture in the kept soft border",
    "refinement.raw_haze": "mean raw alpha over the cleared background, 0 to 1",
    "refinement.doubtful_area": "share of the picture whose alpha refinement moved by 0.08 or more "
    "(filled, cleared or levelled), or that is level and half transparent farther from background "
    "than the band is wide and was kept",
    "refinement.confidence": "how sure the refinement is, 0 to 1: 0.004 / (0.004 + the mean "
    "error of alpha that it expects to be left), 0 where it found a reason to reject",
    "quality": "figures of quality control, of the refined matte",
    "quality.coverage": "mean alpha, 0 to 1",
    "quality.opaque_area": "share of the picture with alpha of at least 250",
    "quality.soft_area": "share of the picture that is partly transparent",
    "quality.bodies": "separate opaque bodies before refinement",
    "quality.body_width": "width of the body's box as a share of the picture's",
    "quality.body_height": "height of the body's box as a share of the picture's",
    "quality.touches_bottom": "whether the body reaches the lower border",
    "quality.perceptual_hash": "for finding near-duplicates",
    "truth": "errors to the exact matte over the whole picture, where one is known",
    "truth.raw_sad": "SAD before refinement, in thousands of pixels",
    "truth.raw_mse": "MSE before refinement, times 1000",
    "truth.refined_sad": "SAD after refinement, in thousands of pixels",
    "truth.refined_mse": "MSE after refinement, times 1000",
    "source": "the picture it was made from, where there was one",
    "source.id": "its file's stem",
    "source.file": "its path in the source folder",
    "source.sha256": "of its file",
}


def metadata_rows() -> list[tuple[str, str, str]]:
    """Key (dotted path), type and meaning of everything in the metadata."""
    rows: list[tuple[str, str, str]] = []
    _collect(schema.METADATA, "", rows)
    return rows


def _collect(declared: dict[str, Any], prefix: str, rows: list[tuple[str, str, str]]) -> None:
    for key, kind in declared.items():
        path = f"{prefix}{key}"
        if path == "attributes":
            rows.append((path, f"struct of {len(kind)} strings", DESCRIPTIONS[path]))
        elif isinstance(kind, dict):
            rows.append((path, "struct", DESCRIPTIONS[path]))
            _collect(kind, f"{path}.", rows)
        elif isinstance(kind, list):
            rows.append((path, "list of structs", DESCRIPTIONS[path]))
            _collect(kind[0], f"{path}.", rows)
        else:
            rows.append((path, kind, DESCRIPTIONS[path]))
