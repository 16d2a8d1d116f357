"""``xprism models``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="The models that come with xprism.", no_args_is_help=True, rich_markup_mode=None)


@app.command("list")
def list_models() -> None:
    """List the shipped models."""
    from xprism.card import Card
    from xprism.zoo import find, names

    if not names():
        typer.echo("no models come with this installation; give --model a model folder")
    for name in names():
        card = Card.load(find(name))
        typer.echo(f"{name}  {card.version}  {card.summary}  [{card.licence}]")


@app.command()
def show(model: Annotated[str, typer.Argument(help="Name of a shipped model, or a model folder.")]) -> None:
    """Show a model's card: what it does, from what it learnt, how well, what it may be used for."""
    from xprism.card import Card
    from xprism.cli.models_runtime import runtime_line
    from xprism.cli.progress import notice
    from xprism.zoo import find

    card = Card.load(find(model))
    facts = {
        "name": f"{card.name} {card.version}",
        "what it does": card.summary,
        "meant for": card.intended_use,
        "targets": "; ".join(f"{one.name} ({one.kind}: {', '.join(one.channel_labels)})" for one in card.targets),
        "input": f"{card.input.size[0]} x {card.input.size[1]} pixels",
        "parameters": f"{card.parameters:,}",
        "learnt from": f"{card.training.films} films: {'; '.join(card.training.data)}",
        "runtimes here": runtime_line(find(model), card),
        "sha256": card.sha256,
    }
    width = max(map(len, facts))
    for word, value in facts.items():
        typer.echo(f"{word:<{width}}  {value}")
    for score in card.scores:
        typer.echo(f"{score.measure} of {score.structure}: {score.mean:.3f} on {score.films} films ({score.protocol})")
    for failure in card.known_failures:
        typer.echo(f"known failure: {failure}")
    typer.echo(notice(card.licence))


@app.command()
def export(
    what: Annotated[str, typer.Argument(help="Folder of a training; or a model, to make it faster.")],
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Model folder to write; of a faster model the user's cache by default."),
    ] = None,
    to: Annotated[str, typer.Option(help="onnx, or openvino (extras 'fast' and 'export').")] = "onnx",
    precision: Annotated[
        str | None, typer.Option(help="fp32, bf16 or int8; onnx is fp32.", show_default="int8 for openvino")
    ] = None,
    films: Annotated[
        Path | None,
        typer.Option(help="Films to calibrate and compare on, manifest or folder.", show_default="simulated chests"),
    ] = None,
    check: Annotated[
        bool, typer.Option(help="Compare with full precision, and write nothing where it is too far away.")
    ] = True,
    card: Annotated[Path | None, typer.Option(help="What the makers state, a YAML file.")] = None,
    licence: Annotated[Path | None, typer.Option(help="Licence text that goes with the model.")] = None,
    scores: Annotated[Path | None, typer.Option(help="scores.csv of a cross-validation, for the card.")] = None,
    evaluation: Annotated[
        Path | None, typer.Option(help="Folder of an evaluation: figures and temperature of classes, curve of lesions.")
    ] = None,
    thresholds: Annotated[
        bool, typer.Option("--thresholds", help="Take the thresholds of classes over from it, too.")
    ] = False,
) -> None:
    """Write a trained model as a folder for use, or make a model for a faster runtime.

    A training becomes ONNX, fp16 weights, card and licence. Of a model, shipped or in a folder, --to openvino makes a
    form that 'xprism predict' then uses by itself, after its results were close enough to those of full precision.
    """
    from xprism.errors import ModelError
    from xprism.zoo import find

    if to not in ("onnx", "openvino"):
        raise ModelError(f"there is no runtime {to!r}", remedy="choose onnx or openvino")
    if to == "onnx" and precision not in (None, "fp32"):
        raise ModelError(f"onnx is fp32, not {precision}", remedy="write --to openvino")
    if not _is_model(what):
        if to == "openvino" and not Path(what).is_dir():
            find(what)  # says which models there are
        if out is None:
            raise ModelError("a training needs a folder to be written to", where=what, remedy="name it with -o")
        _release(
            Path(what), out, card=card, licence=licence, scores=scores, evaluation=evaluation, thresholds=thresholds
        )
        what = str(out)
    elif to == "onnx":
        raise ModelError("it is ONNX already", where=what, remedy="write --to openvino to make it faster")
    if to == "openvino":
        from xprism.cli.models_runtime import make_runtime

        make_runtime(what, precision=precision or "int8", films=films, out=out, check=check)


def _is_model(what: str) -> bool:
    from xprism.zoo import names

    return what in names() or (Path(what) / "card.json").is_file()


def _release(
    run: Path,
    out: Path,
    *,
    card: Path | None,
    licence: Path | None,
    scores: Path | None,
    evaluation: Path | None,
    thresholds: bool,
) -> None:
    from xprism.cli.extras import need_train

    need_train()
    from xprism.protocols.crossval import read_scores
    from xprism.protocols.release import load_statement, read_evaluation, release
    from xprism.training.runs import load_run

    of_masks = read_scores(scores) if scores else []
    statement = load_statement(card) if card else None
    measured = read_evaluation(evaluation, thresholds=thresholds) if evaluation else None
    made = release(load_run(run), out, statement=statement, licence=licence, scores=of_masks, measured=measured)
    typer.echo(f"{made.name} {made.version}, {made.parameters:,} parameters, in {out}")
