"""Compositing: from foreground and alpha to training samples of image matting."""

from ld_portrait_20k.compositing.backgrounds import (
    Backgrounds,
    ColourBackgrounds,
    PictureBackgrounds,
)
from ld_portrait_20k.compositing.composite import composite, merge_foregrounds
from ld_portrait_20k.compositing.device.transform import OnDevice
from ld_portrait_20k.compositing.geometry import crop, resize, unknown_center
from ld_portrait_20k.compositing.training import training_transform
from ld_portrait_20k.compositing.transforms import (
    Compose,
    Composite,
    DegradeImage,
    JitterColour,
    MergeForegrounds,
    RandomBackground,
    RandomCrop,
    RandomTrimap,
    Resize,
    ToTensors,
    Transform,
)
from ld_portrait_20k.compositing.trimaps import random_trimap, trimap

__all__ = [
    "Backgrounds",
    "ColourBackgrounds",
    "Compose",
    "Composite",
    "DegradeImage",
    "JitterColour",
    "MergeForegrounds",
    "OnDevice",
    "PictureBackgrounds",
    "RandomBackground",
    "RandomCrop",
    "RandomTrimap",
    "Resize",
    "ToTensors",
    "Transform",
    "composite",
    "crop",
    "merge_foregrounds",
    "random_trimap",
    "resize",
    "training_transform",
    "trimap",
    "unknown_center",
]
