"""``xprism reproduce``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from xprism.cli.train import Changes

if TYPE_CHECKING:
    from xprism.protocols.reproduce import Reproduction


def reproduce(
    name: Annotated[str, typer.Argument(help="Experiment: mtdg, mtdg/mt, ablation ...; an unknown name lists all.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of runs and results; what is there is kept.")],
    profile: Annotated[
        str, typer.Option(help="smoke (a minute), cpu (reduced but meaningful) or full (the paper's settings).")
    ] = "cpu",
    data: Annotated[
        list[Path] | None, typer.Option("--data", help="Manifest to use in place of the profile's films.")
    ] = None,
    change: Changes = None,
) -> None:
    """Run a paper's experiment: train, score what was held out, set it beside what was published.

    A series such as ablation runs several, each in a folder of its own, as does a recipe that sweeps over the balance
    of its tasks; those whose pictures the manifest lacks run on simulated films. Finished trainings are not run again.
    """
    from xprism.cli.extras import need_evaluate, need_train

    need_train()
    need_evaluate()
    from xprism.protocols.experiments import experiment, knows_pictures, members_of, multistage_protocols
    from xprism.protocols.reproduce import reproduce as run
    from xprism.training.sweep import swept

    if name in multistage_protocols():
        from xprism.cli.multistage import reproduce_multistage

        reproduce_multistage(name, out, profile=profile, data=data or [], changes=change or ())
        return
    given, members, done = data or [], members_of(name), []
    folders = [out / member.replace("/", "-") if len(members) > 1 else out for member in members]
    for member, folder in zip(members, folders, strict=True):
        films = given if knows_pictures(member, profile=profile, manifests=given) else []
        if len(members) > 1:
            typer.echo(f"{member}, on {'the films given' if films else 'the films of its recipe'}: {folder}")
        elif given and not films:
            films = given  # asked for in so many words: what the films lack is not learnt
        recipe = experiment(member, folder, profile=profile, manifests=films, changes=change or ())
        for value, one in swept(recipe).items():
            _show(run(one, folder / value, name="/".join(filter(None, (member, value))), profile=profile))
            done.append(folder / value)
    if len(done) > 1:
        from xprism.protocols.compare import compare

        typer.echo(f"all beside each other: {compare(done, out / 'comparison', overwrite=True)}")


def _show(found: Reproduction) -> None:
    from xprism.cli.evaluate import conclude
    from xprism.protocols.comparison.classes import class_table
    from xprism.protocols.comparison.runs import open_runs
    from xprism.protocols.comparison.tables import table_one, table_three

    conclude(found.evaluation, found.folder / "evaluation")
    for row in found.floors:
        if row.measure == "rmse":
            typer.echo(f"floor {row.structure} {row.region}: rmse {row.mean_over_images:.2f} ± {row.std:.2f}")
    for matter, settled in found.facts["settings"].items():
        typer.echo(f"{matter}: {settled}")
    runs = open_runs([found.folder])
    for one in (*table_one(runs), *table_three(runs), *class_table(runs)):
        if one.ours is not None and one.published is not None:
            spread = "" if one.published_std is None else f" ± {one.published_std:g}"
            where = " ".join(part for part in (one.measure, one.structure, one.region) if part)
            measured = f"{one.ours:.4g} ({one.interval_low:.4g} to {one.interval_high:.4g})"
            typer.echo(f"{where}: measured {measured}, published {one.published:g}{spread} in {one.paper}")
    if found.facts["profile"] != "full" or found.facts["data"] == "simulated":
        typer.echo("published numbers are of real films at the paper's size; beside a reduced run they are orientation")
    for one_run in found.runs:
        typer.echo(f"{one_run.folder}: {one_run.minutes:.1f} minutes of training")
