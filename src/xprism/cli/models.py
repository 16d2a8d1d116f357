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
    run: Annotated[Path, typer.Argument(help="Folder of a training.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Model folder to write.")],
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
    """Write a trained model as a folder for use: ONNX, fp16 weights, card and licence."""
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
