"""`harness pretrain-mae DIR --out FILE`: pre-train the image encoder on a folder of images."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("pretrain-mae")
@click.argument("folder", metavar="DIR", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--out", required=True, type=click.Path(dir_okay=False, path_type=Path), help="Weights, .safetensors.")
@click.option("--width", default=768, show_default=True, type=click.IntRange(min=4))
@click.option("--depth", default=12, show_default=True, type=click.IntRange(min=1))
@click.option("--heads", default=12, show_default=True, type=click.IntRange(min=1))
@click.option("--patch", default=16, show_default=True, type=click.IntRange(min=1))
@click.option("--image", default=224, show_default=True, type=click.IntRange(min=8), help="Side in pixels.")
@click.option("--decoder-width", default=512, show_default=True, type=click.IntRange(min=4))
@click.option("--decoder-depth", default=8, show_default=True, type=click.IntRange(min=1))
@click.option("--decoder-heads", default=16, show_default=True, type=click.IntRange(min=1))
@click.option("--epochs", default=800, show_default=True, type=click.IntRange(min=1))
@click.option("--warmup-epochs", default=40, show_default=True, type=click.IntRange(min=0))
@click.option("--batch", default=256, show_default=True, type=click.IntRange(min=1), help="The paper's is 4096.")
@click.option("--lr", "base_lr", default=1.5e-4, show_default=True, type=float, help="Per 256 images.")
@click.option("--seed", default=0, show_default=True, type=int)
@click.option("--device", default="cpu", show_default=True)
@click.option("--threads", default=0, type=click.IntRange(min=0), help="CPU threads; 0: as many as there are cores.")
@click.option(
    "--checkpoint", type=click.Path(dir_okay=False, path_type=Path), help="Written each epoch; resumed from if there."
)
@click.option("--sheet", type=click.Path(dir_okay=False, path_type=Path), help="A PNG of reconstructions.")
def pretrain_mae(
    folder: Path,
    out: Path,
    seed: int,
    device: str,
    threads: int,
    checkpoint: Path | None,
    sheet: Path | None,
    **recipe_fields: float,
) -> None:
    """Pre-train the masked auto-encoder on every image below DIR.

    The weights are written to --out in facebookresearch/mae names, with the recipe beside them as JSON; give them to
    a run with `--set encoders.image.weights=FILE`. Interrupted with --checkpoint, the same command goes on.
    """
    import torch

    from harness.errors import UserError
    from harness.progress import shown
    from netease_abaw6.mae_checkpoints import write
    from netease_abaw6.pretrain import (
        PretrainRecipe,
        all_weights,
        fingerprint,
        image_files,
        reconstruction_sheet,
        train,
    )

    if out.suffix != ".safetensors":
        raise UserError(f"--out must end in .safetensors: came {out}")
    if threads:
        torch.set_num_threads(threads)
    recipe = PretrainRecipe(**recipe_fields)  # type: ignore[arg-type]  # click has checked each type
    files = image_files(folder)
    model = train(
        files,
        recipe,
        seed,
        device,
        shown,
        checkpoint=checkpoint,
        report=lambda epoch, loss: click.echo(f"epoch {epoch + 1}/{recipe.epochs}  loss {loss:.4f}", err=True),
    )
    facts = {**recipe.facts(), "images": len(files), "fingerprint": fingerprint(files), "seed": seed}
    write(out, all_weights(model), {"format": "facebookresearch/mae names", **facts})
    if sheet is not None:
        reconstruction_sheet(model, files[:8], sheet, shown)
    click.echo(out)
