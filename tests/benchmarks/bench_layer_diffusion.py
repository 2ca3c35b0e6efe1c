"""How fast Layer Diffusion is: the transparent decoder here, the whole way on a GPU.

Run from the project's root:

    python -m tests.benchmarks.bench_layer_diffusion

First, anywhere: our transparent decoder (eight views batched within the memory budget,
channels last, selection network) against the straightforward loop (one picture, one view at
a time, contiguous tensors, torch.median), alternating in this one process; medians and
their ratio are printed. Weights are random; they do not matter to the time.

Then, where there is a CUDA GPU: SDXL of real size with random weights, 1024 px, 25 steps,
in four parts that ``--parts`` chooses from, for a machine that is lent by the minute:

    loop      a plain loop (one picture at a time, guidance in two UNet calls, views one by
              one) against the pipeline, alternating
    batches   by batch size: pictures/s, the share of each stage, peak memory
    build     prompts to shards, with the share of time that the device waited; random
              weights draw no portraits, so the workers get procedural ones in their place
    compiled  as batches, all networks compiled; each batch size is compiled anew

``--tiny`` runs that with tiny models on the CPU, to check the script: its figures say
nothing of a GPU. In four minutes of a GPU, but for the last, which took longer than 160 s:

    ... --sizes --parts loop batches --rounds 1
    ... --sizes --parts build --batch-sizes 8
    ... --sizes --parts compiled --batch-sizes 8 --rounds 1
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from torch import Tensor

from builder.config import BuildConfig
from builder.generation.layer_diffusion import (
    LayerDiffusionConfig,
    LayerDiffusionGenerator,
    LayerDiffusionPipeline,
    TransparentVAEDecoder,
    sampler,
)
from builder.generation.layer_diffusion.decoder import VIEWS, turn, turn_back
from builder.generation.layer_diffusion.loading import check_compiler
from builder.generation.layer_diffusion.network import TransparencyUNet
from builder.generation.procedural import ProceduralGenerator
from builder.generation.protocol import Generated, Rejection, Request
from builder.pipeline.build import BuildReport, build
from builder.pipeline.planner import make_plan
from builder.pipeline.run_options import RunOptions
from builder.plan import PlanRow
from tests.builder.generation.layer_diffusion.tiny import tiny_sdxl, write_tokenizer

PROMPT = "portrait photo of a woman with long curly hair, studio light"
NEGATIVE = "ugly, blurry, deformed"
PARTS = ("loop", "batches", "build", "compiled")


def plain_decode(network: TransparencyUNet, pixels: Tensor, latents: Tensor) -> Tensor:
    """The straightforward decoder: pictures and views one by one; R, G, B, A."""
    pictures = []
    for at in range(len(pixels)):
        views = []
        for view in VIEWS:
            feed = (turn(x[at : at + 1], *view).contiguous() for x in (pixels, latents))
            views.append(turn_back(network(*feed).clamp(0, 1), *view))
        argb = torch.stack(views).median(dim=0).values
        pictures.append(torch.cat([argb[:, 1:], argb[:, :1]], dim=1))
    return torch.cat(pictures)


def seconds(device: torch.device, run: Callable[..., object], *args: Any) -> float:
    """Time of a call: the processor's on a CPU, which other programs do not disturb; else wall.

    Processor time sums over threads, so compare it at one thread.
    """
    clock = time.process_time if device.type == "cpu" else time.perf_counter
    wait(device)
    start = clock()
    run(*args)
    wait(device)
    return clock() - start


def wait(device: torch.device) -> None:
    """Let the device finish."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


@torch.no_grad()
def bench_decoder(
    sizes: Sequence[int], pictures: int, rounds: int, device: torch.device, dtype: torch.dtype
) -> None:
    """Ours against the plain loop, alternating."""
    torch.manual_seed(0)
    network = TransparencyUNet().to(device=device, dtype=dtype).eval()
    plain = TransparencyUNet().to(device=device, dtype=dtype).eval()
    plain.load_state_dict(network.state_dict())
    ours = TransparentVAEDecoder(
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    )
    clock = "processor time" if device.type == "cpu" else "wall time"
    print(f"transparent decoder, {pictures} picture(s), {device}, {dtype}, {clock}, medians")
    for size in sizes:
        pixels = torch.rand(pictures, 3, size, size, device=device, dtype=dtype)
        latents = torch.randn(pictures, 4, size // 8, size // 8, device=device, dtype=dtype)
        difference = (ours(pixels, latents) - plain_decode(plain, pixels, latents)).abs().max()
        loop_times, our_times = [], []
        for _ in range(rounds):
            loop_times.append(seconds(device, plain_decode, plain, pixels, latents))
            our_times.append(seconds(device, ours, pixels, latents))
        loop, our = statistics.median(loop_times), statistics.median(our_times)
        print(
            f"  {size:5} px   loop {loop:8.3f} s   ours {our:8.3f} s   "
            f"ratio {loop / our:5.2f}   largest difference {difference:.1e}",
            flush=True,
        )


def real_sdxl(device: torch.device, dtype: torch.dtype, folder: Path) -> Any:
    """SDXL in its published sizes, weights random, tokenizers tiny."""
    from diffusers import (
        AutoencoderKL,
        EulerDiscreteScheduler,
        StableDiffusionXLPipeline,
        UNet2DConditionModel,
    )
    from transformers import (
        CLIPTextConfig,
        CLIPTextModel,
        CLIPTextModelWithProjection,
        CLIPTokenizer,
    )

    words = write_tokenizer(folder / "tokenizer", pad="<|endoftext|>")
    write_tokenizer(folder / "tokenizer_2", pad="!")
    text: dict[str, Any] = {
        "vocab_size": 49408,
        "bos_token_id": words - 2,
        "eos_token_id": words - 1,
    }
    with torch.device(device):
        unet: Any = UNet2DConditionModel(
            sample_size=128,
            block_out_channels=(320, 640, 1280),
            down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
            up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
            transformer_layers_per_block=(1, 2, 10),
            attention_head_dim=(5, 10, 20),
            cross_attention_dim=2048,
            addition_embed_type="text_time",
            addition_time_embed_dim=256,
            projection_class_embeddings_input_dim=2816,
            use_linear_projection=True,
        )
        vae: Any = AutoencoderKL(
            block_out_channels=(128, 256, 512, 512),
            down_block_types=("DownEncoderBlock2D",) * 4,
            up_block_types=("UpDecoderBlock2D",) * 4,
            latent_channels=4,
            layers_per_block=2,
            sample_size=1024,
            scaling_factor=0.13025,
            force_upcast=False,
        )
        first: Any = CLIPTextModel(
            CLIPTextConfig(
                hidden_size=768,
                intermediate_size=3072,
                num_hidden_layers=12,
                num_attention_heads=12,
                **text,
            )
        )
        second: Any = CLIPTextModelWithProjection(
            CLIPTextConfig(
                hidden_size=1280,
                intermediate_size=5120,
                num_hidden_layers=32,
                num_attention_heads=20,
                projection_dim=1280,
                hidden_act="gelu",
                **text,
            )
        )
    return StableDiffusionXLPipeline(
        vae=vae.to(dtype),
        text_encoder=first.to(dtype),
        text_encoder_2=second.to(dtype),
        tokenizer=CLIPTokenizer.from_pretrained(folder / "tokenizer"),
        tokenizer_2=CLIPTokenizer.from_pretrained(folder / "tokenizer_2"),
        unet=unet.to(dtype),
        scheduler=EulerDiscreteScheduler(
            beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear"
        ),
        add_watermarker=False,
    )


def make_pipeline(tiny: bool, device: torch.device, dtype: torch.dtype) -> LayerDiffusionPipeline:
    """A pipeline of random weights, as ``loading.load`` would put it together."""
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as folder:
        make = (
            (lambda: tiny_sdxl(Path(folder), 0))
            if tiny
            else (lambda: real_sdxl(device, dtype, Path(folder)))
        )
        sdxl = make().to(device)
    for module in (sdxl.unet, sdxl.vae):
        module.to(memory_format=torch.channels_last)
    with torch.device(device):
        network = TransparencyUNet().to(dtype)
    decoder = TransparentVAEDecoder(
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    )
    return LayerDiffusionPipeline(sdxl, decoder)


def draw(pipeline: LayerDiffusionPipeline, count: int, size: int, steps: int) -> Tensor:
    """One batch, from text to RGBA."""
    return pipeline(
        [PROMPT] * count,
        negative_prompts=NEGATIVE,
        generators=[torch.Generator().manual_seed(seed) for seed in range(count)],
        width=size,
        height=size,
        steps=steps,
    )


@torch.no_grad()
def draw_plainly(pipeline: LayerDiffusionPipeline, count: int, size: int, steps: int) -> None:
    """One picture at a time, guidance in two UNet calls, views one by one."""
    sdxl, network = pipeline.sdxl, pipeline.decoder.model
    sigmas = pipeline.schedule.karras(steps)
    time_ids = torch.tensor(
        [[size, size, 0, 0, size, size]], dtype=pipeline.dtype, device=pipeline.device
    )
    for seed in range(count):
        text, negative = (pipeline.text.encode([prompt]) for prompt in (PROMPT, NEGATIVE))

        def predict(noisy: Tensor, sigma: float, conditioning: tuple[Tensor, Tensor]) -> Tensor:
            feed = sampler.scale_input(noisy, sigma).to(pipeline.dtype)
            return sdxl.unet(
                feed,
                torch.full((), pipeline.schedule.time_step(sigma), device=pipeline.device),
                encoder_hidden_states=conditioning[0],
                added_cond_kwargs={"text_embeds": conditioning[1], "time_ids": time_ids},
                return_dict=False,
            )[0].float()

        def denoise(
            noisy: Tensor, sigma: float, text: Any = text, negative: Any = negative
        ) -> Tensor:
            away, toward = predict(noisy, sigma, negative), predict(noisy, sigma, text)
            return noisy - (away + 7.0 * (toward - away)) * sigma

        start = torch.randn(
            (1, 4, size // 8, size // 8), generator=torch.Generator().manual_seed(seed)
        )
        latents = sampler.sample(denoise, start.to(pipeline.device) * sigmas[0], sigmas)
        unscaled = latents / sdxl.vae.config.scaling_factor
        pixels = sdxl.vae.decode(unscaled.to(sdxl.vae.dtype), return_dict=False)[0] / 2 + 0.5
        dtype = pipeline.decoder.model.conv_in.weight.dtype
        plain_decode(network, pixels.to(dtype).clamp(0, 1), unscaled.to(dtype)).cpu()


@dataclass
class Stages:
    """Seconds spent in each stage, and when the first began and the last ended."""

    spent: dict[str, float] = field(
        default_factory=lambda: {"denoising": 0.0, "VAE": 0.0, "transparent decoder": 0.0}
    )
    began: float = float("inf")
    ended: float = 0.0


@contextmanager
def stages(pipeline: LayerDiffusionPipeline) -> Iterator[Stages]:
    """Time the stages of a pipeline; the device is waited for around each."""
    found = Stages()

    def timed(name: str, function: Callable) -> Callable:
        def call(*args: Any, **options: Any) -> Any:
            wait(pipeline.device)
            start = time.perf_counter()
            result = function(*args, **options)
            wait(pipeline.device)
            end = time.perf_counter()
            found.spent[name] += end - start
            found.began, found.ended = min(found.began, start), max(found.ended, end)
            return result

        return call

    vae, decoder = pipeline.sdxl.vae, pipeline.decoder
    with (
        mock.patch.object(pipeline, "sample_latents", timed("denoising", pipeline.sample_latents)),
        mock.patch.object(vae, "decode", timed("VAE", vae.decode)),
        mock.patch.object(decoder, "forward", timed("transparent decoder", decoder.forward)),
    ):
        yield found


def bench_pipeline(
    pipeline: LayerDiffusionPipeline,
    batch_sizes: Sequence[int],
    size: int,
    steps: int,
    rounds: int,
    label: str,
) -> None:
    """Pictures a second, shares of the stages and peak memory, by batch size."""
    device = pipeline.device
    for count in batch_sizes:
        try:
            first = seconds(device, draw, pipeline, count, size, min(steps, 2))
            if device.type == "cuda":
                torch.cuda.reset_peak_memory_stats(device)
            with stages(pipeline) as found:
                times = [seconds(device, draw, pipeline, count, size, steps) for _ in range(rounds)]
        except Exception as error:
            print(f"  {label} batch {count:2}: {' '.join(str(error).split())[:120]}")
            continue
        shares = "  ".join(
            f"{name} {100 * took / sum(times):4.1f} %" for name, took in found.spent.items()
        )
        peak = torch.cuda.max_memory_allocated(device) / 2**30 if device.type == "cuda" else 0.0
        print(
            f"  {label} batch {count:2}: {count / statistics.median(times):7.3f} pictures/s   "
            f"{shares}   peak {peak:5.1f} GiB   first, of 2 steps {first:6.1f} s",
            flush=True,
        )


class PortraitsInstead(LayerDiffusionGenerator):
    """Draws on the device as ever, and hands out procedural portraits of the same size.

    What random weights draw is refused at a glance; these make the workers work.
    """

    def __init__(self, config: LayerDiffusionConfig, size: int) -> None:
        super().__init__(config, models=[])
        attributes: dict[str, str | None] = {
            "framing": "head and shoulders",
            "hair_texture": "curly",
        }
        row = PlanRow("ldp-0000000", "train", "", None, attributes, 0, size, size)
        requests = [Request(row, 0, seed) for seed in range(3)]
        self._portraits = list(ProceduralGenerator(damage=1.0).generate(requests))

    def generate(self, requests: Sequence[Request]) -> Iterator[Generated | Rejection]:
        """A portrait for each picture, once the device has drawn it."""
        for at, drawn in enumerate(super().generate(requests)):
            portrait = self._portraits[at % len(self._portraits)]
            assert isinstance(portrait, Generated)
            yield Generated(
                drawn.request, portrait.foreground, portrait.alpha, {**self.record(), "models": []}
            )


def bench_build(
    pipeline: LayerDiffusionPipeline,
    count: int,
    batch_size: int,
    size: int,
    steps: int,
    workers: int | None,
) -> None:
    """Prompts to shards, the workers refining beside the device."""
    config = LayerDiffusionConfig(steps=steps, batch_size=batch_size, device=str(pipeline.device))
    generator = PortraitsInstead(config, size)
    generator._pipeline = pipeline
    what = BuildConfig(
        generator="layer-diffusion", count=count, width=size, height=size, shards=1, attempts=1
    )
    spec = {"name": "layer-diffusion", "version": "benchmark", "models": []}
    run = RunOptions(workers=workers)
    with (
        tempfile.TemporaryDirectory() as folder,
        mock.patch("builder.generation.registry.generator_spec", lambda *_, **__: spec),
        mock.patch("builder.generation.registry.check_ready", lambda *_: None),
        mock.patch("builder.pipeline.unit_builder.open_generator", lambda *_: generator),
        stages(pipeline) as found,
    ):
        start = time.perf_counter()
        report = build(make_plan(what), Path(folder) / "dataset", run)
        total = time.perf_counter() - start
    window = found.ended - found.began
    waited = 1 - sum(found.spent.values()) / window
    print(
        f"  build of {count}, batch {batch_size}, {run.worker_count()} workers: "
        f"{count / total:7.3f} pictures/s from the command to the checked dataset   "
        f"{count / window:7.3f} while the device was at it   "
        f"it waited {100 * waited:4.1f} % of that   {describe(report)}",
        flush=True,
    )


def describe(report: BuildReport) -> str:
    """How the workers' time divides over their stages."""
    seconds = {name: took for name, took in report.run.seconds.items() if took}
    total = sum(seconds.values()) or 1.0
    shares = (f"{name} {100 * took / total:.0f} %" for name, took in seconds.items())
    return f"workers: {total:.1f} s of " + ", ".join(shares)


def bench_device(options: argparse.Namespace, device: torch.device, dtype: torch.dtype) -> None:
    """The whole way on a device."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU, tiny models"
    size, steps, rounds = options.device_size, options.steps, options.rounds
    print(
        f"text to RGBA on {name}, torch {torch.__version__}, random weights, {dtype}, "
        f"{size} px, {steps} steps"
    )
    pipeline = make_pipeline(options.tiny, device, dtype)
    if "loop" in options.parts:
        bench_loop(pipeline, size, steps, rounds)
    if "batches" in options.parts:
        bench_pipeline(pipeline, options.batch_sizes, size, steps, rounds, "eager   ")
    if "build" in options.parts:
        batch_size = options.batch_sizes[-1]
        draw(pipeline, batch_size, size, 1)
        bench_build(pipeline, options.count, batch_size, size, steps, options.workers)
    if "compiled" in options.parts:
        check_compiler(device)
        pipeline.sdxl.unet.compile(dynamic=False)
        pipeline.sdxl.vae.decoder.compile()
        pipeline.decoder.model.compile()
        bench_pipeline(pipeline, options.batch_sizes, size, steps, rounds, "compiled")


def bench_loop(pipeline: LayerDiffusionPipeline, size: int, steps: int, rounds: int) -> None:
    """Two pictures, by the plain loop and by the pipeline, alternating."""
    device = pipeline.device
    draw_plainly(pipeline, 1, size, 2)
    draw(pipeline, 2, size, 2)
    plain, ours = [], []
    for _ in range(rounds):
        plain.append(seconds(device, draw_plainly, pipeline, 2, size, steps))
        ours.append(seconds(device, draw, pipeline, 2, size, steps))
    loop, our = statistics.median(plain), statistics.median(ours)
    print(
        f"  two pictures: plain loop {loop:.2f} s, ours {our:.2f} s, ratio {loop / our:.2f}",
        flush=True,
    )


def main() -> None:
    """Run what this machine can."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--sizes",
        type=int,
        nargs="*",
        default=[256, 384, 512],
        help="sides of the pictures for the decoder on the CPU; none: leave that out",
    )
    parser.add_argument("--pictures", type=int, default=1, help="pictures at a time (decoder, CPU)")
    parser.add_argument("--rounds", type=int, default=3, help="alternating rounds (default 3)")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads (default 1)")
    device = parser.add_argument_group("the device")
    device.add_argument(
        "--parts", nargs="+", choices=PARTS, default=list(PARTS), help="which parts (default: all)"
    )
    device.add_argument("--tiny", action="store_true", help="without a GPU: tiny models, CPU")
    device.add_argument(
        "--batch-sizes",
        type=int,
        nargs="+",
        default=[1, 2, 4, 8, 16],
        help="pictures denoised together; the build takes the last (default 1 2 4 8 16)",
    )
    device.add_argument("--device-size", type=int, default=1024, help="side (default 1024)")
    device.add_argument("--steps", type=int, default=25, help="sampling steps (default 25)")
    device.add_argument("--count", type=int, default=64, help="pictures of the build (default 64)")
    device.add_argument("--workers", type=int, help="processes of the build (default: as built)")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    cpu = torch.device("cpu")
    if options.sizes:
        bench_decoder(options.sizes, options.pictures, options.rounds, cpu, torch.float32)
    if torch.cuda.is_available():
        gpu = torch.device("cuda", torch.cuda.current_device())
        if "loop" in options.parts:
            bench_decoder([512, 1024], 4, options.rounds, gpu, torch.float16)
        bench_device(options, gpu, torch.float16)
    elif options.tiny:
        bench_device(options, cpu, torch.float32)
    else:
        print("no CUDA GPU here: nothing measured beyond the decoder on this CPU")


if __name__ == "__main__":
    main()
