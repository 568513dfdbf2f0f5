"""`harness pretrain-mae SOURCE... --out FILE`: pre-train the image encoder on folders of images or on shards."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

# width, depth, heads (Dosovitskiy et al. 2021, table 1; tiny and small as in DeiT)
SIZES = {
    "tiny": (192, 12, 3),
    "small": (384, 12, 6),
    "base": (768, 12, 12),
    "large": (1024, 24, 16),
    "huge": (1280, 32, 16),
}
_file = click.Path(dir_okay=False, path_type=Path)
_at_least_one = click.IntRange(min=1)


@click.command("pretrain-mae")
@click.argument("sources", metavar="SOURCE...", nargs=-1, required=True)
@click.option("--out", required=True, type=_file, help="Weights, .safetensors; the JSON beside them holds the recipe.")
@click.option("--vit", default="base", show_default=True, type=click.Choice(list(SIZES)), help="Size of the encoder.")
@click.option("--width", type=click.IntRange(min=4), help="Instead of the size's.")
@click.option("--depth", type=_at_least_one, help="Instead of the size's.")
@click.option("--heads", type=_at_least_one, help="Instead of the size's.")
@click.option("--patch", default=16, show_default=True, type=_at_least_one, help="14 for ViT-H, as published.")
@click.option("--image", default=224, show_default=True, type=click.IntRange(min=8), help="Side in pixels.")
@click.option("--decoder-width", default=512, show_default=True, type=click.IntRange(min=4))
@click.option("--decoder-depth", default=8, show_default=True, type=_at_least_one)
@click.option("--decoder-heads", default=16, show_default=True, type=_at_least_one)
@click.option("--epochs", default=800, show_default=True, type=_at_least_one)
@click.option("--warmup-epochs", default=40, show_default=True, type=click.IntRange(min=0))
@click.option(
    "--batch", default=4096, show_default=True, type=_at_least_one, help="Images per step, of all processes together."
)
@click.option("--lr", "base_lr", default=1.5e-4, show_default=True, type=float, help="Per 256 images of --batch.")
@click.option(
    "--micro-batch", default=128, show_default=True, type=_at_least_one,
    help="Images per forward pass of one process; gradients add up to --batch.",
)  # fmt: skip
@click.option(
    "--engine", default="ddp", show_default=True, type=click.Choice(["ddp", "fsdp"]),
    help="Under torchrun: weights on every process, or divided among them (ViT-L, ViT-H).",
)  # fmt: skip
@click.option(
    "--precision", default="auto", show_default=True, type=click.Choice(["auto", "fp32", "bf16"]),
    help="auto: bf16 on a GPU, fp32 else.",
)  # fmt: skip
@click.option("--recompute", is_flag=True, help="Gradient checkpointing: less memory, about a third more time.")
@click.option("--compile", "compiled", is_flag=True, help="torch.compile the model.")
@click.option("--seed", default=0, show_default=True, type=int)
@click.option("--device", default="cpu", show_default=True, help="cpu or cuda; under torchrun each process its own.")
@click.option("--threads", default=0, type=click.IntRange(min=0), help="CPU threads; 0: torch's own choice.")
@click.option(
    "--workers", default=4, show_default=True, type=click.IntRange(min=0), help="Decoding processes of each process."
)
@click.option(
    "--shuffle-buffer", default=16384, show_default=True, type=_at_least_one, help="Shards: images in all buffers."
)
@click.option(
    "--lanes", default=64, show_default=True, type=_at_least_one,
    help="Shards: streams that are read at a time, shared out among all decoding processes.",
)  # fmt: skip
@click.option(
    "--corpus", "corpora", multiple=True, metavar="NAME",
    help="What the images are (affectnet, celeba ...), each of them: rows on these weights then say whether they saw "
    "what they are judged on; without it, unknown.",
)  # fmt: skip
@click.option("--checkpoint", type=_file, help="Resumed from if there.  [default: OUT with .training.pt]")
@click.option("--save-every", default=1000, show_default=True, type=_at_least_one, help="Steps between checkpoints.")
@click.option("--sheet", type=_file, help="A PNG of eight images: original, masked, reconstructed.")
@click.option("--sheet-every", default=1000, show_default=True, type=_at_least_one, help="Steps between sheets.")
@click.option("--tensorboard", type=click.Path(file_okay=False, path_type=Path), help="Folder of loss curves.")
@click.option("--log-every", default=100, show_default=True, type=_at_least_one, help="Steps between loss lines.")
def pretrain_mae(
    sources: tuple[str, ...],
    out: Path,
    vit: str,
    micro_batch: int,
    engine: str,
    precision: str,
    recompute: bool,
    compiled: bool,
    seed: int,
    device: str,
    threads: int,
    workers: int,
    shuffle_buffer: int,
    lanes: int,
    corpora: tuple[str, ...],
    checkpoint: Path | None,
    save_every: int,
    sheet: Path | None,
    sheet_every: int,
    tensorboard: Path | None,
    log_every: int,
    **recipe_fields: Any,
) -> None:
    """Pre-train the masked auto-encoder on unlabelled faces.

    Each SOURCE is a folder, every image below it is used (AffectNet, CelebA, IMDB-WIKI, CASIA-WebFace or any other
    tree), or WebDataset shards: a .tar, a glob, or braces. Quote the last two.

    \b
    harness pretrain-mae AffectNet/ CelebA/ --out mae.safetensors --corpus affectnet --corpus celeba
    harness pretrain-mae 'faces-{000000..026214}.tar' --out mae.safetensors --device cuda
    torchrun --nproc-per-node 8 -m harness pretrain-mae 'faces/*.tar' --out mae.safetensors --device cuda
    torchrun --nnodes 4 --nproc-per-node 8 --rdzv-backend c10d --rdzv-endpoint HOST:29400 \\
        -m harness pretrain-mae 'faces/*.tar' --vit large --engine fsdp --out mae.safetensors --device cuda

    The same command goes on after an interruption, within an epoch too, and ends in the same weights; the number of
    processes and workers may differ from before. --checkpoint and --out must lie where all machines see them.
    An image that cannot be read is skipped and named at the end.

    Use the weights with `harness run --set encoders.image.weights=FILE`: facebookresearch/mae names.
    """
    import torch

    from harness.corpora import CORPORA
    from harness.errors import UserError, unknown
    from harness.progress import shown, silent
    from netease_abaw6.pretrain import Engine, PretrainRecipe
    from netease_abaw6.pretrain_ranks import joined
    from netease_abaw6.pretrain_run import Outputs, pretrain, source

    if out.suffix != ".safetensors":
        raise UserError(f"--out must end in .safetensors: came {out}")
    for name in corpora:
        if name not in CORPORA:
            click.echo(f"{unknown('corpus', name, CORPORA)}. Of weights that saw it, rows say unknown", err=True)
    if threads:
        torch.set_num_threads(threads)
    named = dict(zip(("width", "depth", "heads"), SIZES[vit], strict=True))
    recipe = PretrainRecipe(**named | {name: value for name, value in recipe_fields.items() if value is not None})
    outputs = Outputs(
        weights=out,
        checkpoint=checkpoint or out.with_suffix(".training.pt"),
        save_every=save_every,
        log_every=log_every,
        sheet=sheet,
        sheet_every=sheet_every,
        tensorboard=tensorboard,
        corpora=corpora or None,
    )
    bf16 = precision == "bf16" or (precision == "auto" and device.startswith("cuda"))
    with joined(device) as ranks:
        if engine == "fsdp" and ranks.world == 1:
            raise UserError("--engine fsdp divides the weights among processes: start it with torchrun, or use ddp")
        how = Engine(micro_batch, bf16, engine == "fsdp", recompute, compiled)
        progress = shown if ranks.first else silent
        order = source(sources, outputs, ranks, progress, lanes=lanes, buffer=shuffle_buffer)
        pretrain(
            order, recipe, seed, ranks=ranks, engine=how, workers=workers, outputs=outputs, progress=progress
        )  # fmt: skip
        if ranks.first:
            click.echo(out)
