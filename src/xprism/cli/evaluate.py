"""``xprism evaluate``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from xprism.data.manifest import Case
    from xprism.evaluation.summary import SummaryRow
    from xprism.protocols.evaluate import Evaluation


def evaluate(
    predictions: Annotated[
        str,
        typer.Argument(
            metavar="MODEL_OR_PREDICTIONS",
            help="A shipped model, a model folder, the folder of a training or of a cross-validation, results of "
            "'xprism predict', or a folder of masks named like cases.",
        ),
    ],
    manifest: Annotated[Path, typer.Argument(help="Manifest of films and their truth, a CSV file.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="New folder for tables and figures.", show_default=False)],
    made_by: Annotated[
        str | None,
        typer.Option(
            "--model",
            help="Model that made the predictions, where they are a folder: its card says what is joined or cut.",
            show_default=False,
        ),
    ] = None,
    class_names: Annotated[
        str | None,
        typer.Option(
            "--classes",
            metavar="NAME=CLASS,CLASS",
            help="The predictions are pictures of the class map NAME, named like cases; classes by number from 0.",
            show_default=False,
        ),
    ] = None,
    legend: Annotated[
        str | None,
        typer.Option(
            help="What those pictures show, if not the classes' numbers: 'bone=255,0,0', a .yaml or .csv file.",
            show_default=False,
        ),
    ] = None,
    tolerance: Annotated[int, typer.Option(help="How far a channel of those pictures may be off the legend.")] = 0,
    nodules: Annotated[
        Path | None,
        typer.Option(
            help="Table of nodules (case, row, column, diameter_mm) whose contrast is to be measured.",
            show_default=False,
        ),
    ] = None,
    lesion_rule: Annotated[
        str,
        typer.Option(
            help="When a finding is true: centre (it lies in the lesion's square) or iou (0.5 of box and square)."
        ),
    ] = "centre",
    threshold_of: Annotated[
        str, typer.Option("--threshold-of", help="Class of a class map whose thresholds are looked at.")
    ] = "soft_tissue",
    false_share: Annotated[
        float,
        typer.Option(help="Of what is found to be that class, the part that may be false.", min=0, max=1),
    ] = 0.03,
    tidy_bones: Annotated[
        int | None,
        typer.Option(
            help="Of class maps: open bones by 10 x 10 pixels, dilate them by so many.", min=1, show_default=False
        ),
    ] = None,
    figures: Annotated[bool, typer.Option(help="Draw box plots and panels (extra 'evaluate').")] = True,
    runtime: Annotated[
        str, typer.Option(help="Of a model: onnx (full precision), or as of 'xprism predict'.")
    ] = "onnx",
    clean: Annotated[
        bool | None,
        typer.Option("--clean/--no-clean", help="Tidy masks, as in 'xprism predict'; for a model.", show_default=False),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Predict films that the model would refuse; for a model.")
    ] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an earlier evaluation in OUT.")] = False,
) -> None:
    """Score a model, or anybody's predictions, against the truth of a manifest.

    Writes a row a case and structure, a summary, box plots, and panels of the best and worst cases; for
    bone-suppressed pictures also measures that see bones, beside the film itself and the best linear filter; for
    lesions every finding, recall and precision, and free-response curves; for class maps precision and recall, ROC
    curves, calibration and thresholds. Of a training whose films of the validation are known, class maps are scored
    on those too, and temperature and thresholds chosen on them. Of a cross-validation every case is predicted by the
    model that did not learn from it.
    Exit code: 0 all cases were scored, 3 some were not or not wholly, 1 none was, 2 the command could
    not start.
    """
    from xprism.cli.extras import need_evaluate

    if figures:
        need_evaluate(otherwise=", or use --no-figures")
    from xprism.data.importers.class_map import read_class_names
    from xprism.data.importers.legend import read_legend
    from xprism.data.manifest import read_manifest
    from xprism.evaluation.lesion_matching import checked_rule
    from xprism.progress import Progress
    from xprism.protocols.bone_suppression import BoneSuppression, read_regions
    from xprism.protocols.class_files import ClassFolder
    from xprism.protocols.classes import ClassScores
    from xprism.protocols.evaluate import check_out, write_evaluation
    from xprism.protocols.evaluate import evaluate as score
    from xprism.protocols.fold_models import FoldsSource, folds_of, with_folds
    from xprism.protocols.lesions import LesionScores
    from xprism.protocols.predictions import Source, open_source
    from xprism.protocols.run_models import chose_weights, is_run, model_of

    cases = read_manifest(manifest)
    check_out(out, overwrite=overwrite, inputs=(Path(predictions), manifest.parent))
    watched: tuple[Case, ...] = ()
    if is_run(Path(predictions)):
        model = model_of(Path(predictions))
        watched, predictions = chose_weights(Path(predictions), model), str(model)
    if folds := folds_of(Path(predictions)):
        cases = with_folds(cases, folds)
        source: Source = FoldsSource(folds, runtime=runtime, clean=clean, force=force)
    elif class_names is not None:
        shown = read_legend(legend) if legend else None
        source = ClassFolder(Path(predictions), read_class_names(class_names), legend=shown, tolerance=tolerance)
    else:
        source = open_source(predictions, cases, made_by=made_by, runtime=runtime, clean=clean, force=force)
    bones = BoneSuppression(cases, source, nodules=read_regions(nodules) if nodules else ())
    lesions = LesionScores(rule=checked_rule(lesion_rule))
    classes = ClassScores(validation=watched, doubted=threshold_of, wanted=false_share, dilation_px=tidy_bones)
    with Progress("cases", len(cases) + 2 * len(watched)) as progress:
        found = score(cases, source, bones=bones, lesions=lesions, classes=classes, on_case=progress.step)
    write_evaluation(found, out, manifest=manifest, figures=figures, overwrite=overwrite)
    conclude(found, out)
    raise typer.Exit(found.exit_code)


def conclude(found: Evaluation, out: Path) -> None:
    """Print the main figures, what was not scored, and where everything lies."""
    from xprism.cli.bone_table import bone_lines
    from xprism.cli.class_table import class_lines
    from xprism.cli.lesion_table import lesion_lines

    for table in (("dice", "jaccard", "hd95", "assd"), ("rmse", "psnr", "mssim")):
        rows = [row for row in found.summary if row.measure in table]
        names = dict.fromkeys((row.structure, row.region) for row in rows)
        columns = dict.fromkeys((row.measure, row.unit) for row in rows)
        if rows:
            heads = [f"{measure} {unit}".strip() for measure, unit in columns]
            typer.echo(f"{'':<24}{'images':>6}" + "".join(f"{head:>18}" for head in heads))
        for name in names:
            own = {(row.measure, row.unit): row for row in rows if (row.structure, row.region) == name}
            cells = "".join(f"{_cell(own.get(column)):>18}" for column in columns)
            typer.echo(f"{' '.join(name).strip():<24}{max(row.n for row in own.values()):>6}{cells}")
    if found.bones is not None:
        for line in bone_lines(found.bones):
            typer.echo(line)
    for line in (*lesion_lines(found.lesions), *class_lines(found.classes)):
        typer.echo(line)
    if found.never_predicted:
        typer.echo(f"in the manifest, but not in the predictions: {', '.join(found.never_predicted)}")
    words = {
        "scored": found.scored - found.in_part,
        "scored in part": found.in_part,
        "not scored": found.not_scored,
        "without truth": len(found.unknown),
        "with truth brought to the film's size": len(found.resized),
        "found by name, as the film is not the one predicted": found.by_name,
    }
    counts = ", ".join(f"{number} {word}" for word, number in words.items() if number) or "no cases"
    typer.echo(f"{counts}; mean ± standard deviation over images; everything in {out}")
    if found.problems:
        typer.echo(f"what was not scored, and why: {out / 'errors.csv'}")


def _cell(row: SummaryRow | None) -> str:
    if row is None or not row.n:
        return "-"
    digits = 4 if row.measure in ("dice", "jaccard", "mssim") else 2
    return f"{row.mean_over_images:.{digits}f} ± {row.std:.{digits}f}"
