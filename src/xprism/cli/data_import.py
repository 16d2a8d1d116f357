"""``xprism data import``: turn films, pairs or volumes into a manifest."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from xprism.data.manifest import Case

app = typer.Typer(help="Turn films, pairs or volumes into a manifest.", no_args_is_help=True, rich_markup_mode=None)

Out = Annotated[Path, typer.Option("--out", "-o", help="Manifest to write, a CSV file.")]
Source = Annotated[str | None, typer.Option(help="Name of this data source; else the folder's name.")]
PLACE = "FOLDER, or a pattern in quotes such as 'FOLDER/*_bs.png' whose star is the case's name."


@app.command()
def jsrt(
    folder: Annotated[Path, typer.Argument(help="images/ and masks/ as PNG, or unpacked .IMG films and SCR masks.")],
    out: Out,
    bones: Annotated[str | None, typer.Option(help=f"Bone-suppressed pictures named like the films: {PLACE}")] = None,
) -> None:
    """JSRT films with SCR organ masks, nodules and bone-suppressed pictures.

    Where nodules are known a table of them is written beside the manifest.
    """
    from xprism.data.importers.jsrt import jsrt_cases

    _finish(out, jsrt_cases(folder, bones=bones, lesions=out.with_name(f"{out.stem}_nodules.csv")))


@app.command()
def pairs(
    films: Annotated[list[str], typer.Argument(help=f"Films: {PLACE}")],
    out: Out,
    mask: Annotated[
        list[str],
        typer.Option(default_factory=list, metavar="LABEL=FOLDER", show_default=False, help="Masks of one label."),
    ],
    picture: Annotated[
        list[str],
        typer.Option(default_factory=list, metavar="NAME=FOLDER", show_default=False, help="Pictures to learn."),
    ],
    cut: Annotated[
        list[str],
        typer.Option(
            default_factory=list,
            metavar="NAME",
            show_default=False,
            help="Pictures that are black where they are not known, as those cut to the lungs.",
        ),
    ],
    labels: Annotated[str | None, typer.Option(help=f"Masks as colours or whole numbers: {PLACE}")] = None,
    legend: Annotated[
        str | None, typer.Option(help="What --labels show: 'lung=1; heart=2', 'lung=255,0,0', a .yaml or .csv file.")
    ] = None,
    tolerance: Annotated[int, typer.Option(help="How far a channel of --labels may be off the legend.")] = 0,
    polygons: Annotated[
        str | None, typer.Option(help="Outlines: a COCO file, a folder of LabelMe files, or a .csv table of points.")
    ] = None,
    classes: Annotated[
        str | None,
        typer.Option(
            metavar="NAME=CLASS,CLASS",
            help="Make one class map of --labels or --polygons; the first class is where no other is.",
        ),
    ] = None,
    subject: Annotated[
        str | None, typer.Option(help="Regular expression whose (brackets) find the subject in the case's name.")
    ] = None,
    body_part: Annotated[
        str | None,
        typer.Option(help="Regular expression whose (brackets) find the part of the body in the case's name."),
    ] = None,
    source: Source = None,
    polarity: Annotated[str, typer.Option(help="auto, display (bone is bright) or inverted.")] = "auto",
    skip_missing: Annotated[
        bool, typer.Option("--skip-missing", help="Leave out films without any target, and labels without a film.")
    ] = False,
) -> None:
    """Films and targets of equal names: masks, pictures, label maps or outlines, in folders.

    For example: xprism data import pairs films --mask lungs=masks -o lungs.csv
    """
    from xprism.data.importers.class_map import read_class_names
    from xprism.data.importers.files import assignments
    from xprism.data.importers.legend import read_legend
    from xprism.data.importers.pairs import Pairing, PairRequest
    from xprism.progress import Progress
    from xprism.readers.polarity import check_choice

    request = PairRequest(
        films=tuple(films),
        masks=assignments(mask, option="--mask LABEL=FOLDER"),
        pictures=assignments(picture, option="--picture NAME=FOLDER"),
        labels=labels,
        legend=read_legend(legend) if legend else None,
        tolerance=tolerance,
        polygons=polygons,
        classes=read_class_names(classes) if classes else None,
        cut=tuple(cut),
        subject=subject,
        body_part=body_part,
        source=source,
        polarity=check_choice(polarity),
        skip_missing=skip_missing,
    )
    pairing = Pairing(request)
    with Progress("films", len(pairing.films)) as progress:
        cases = pairing.cases(out.with_name(f"{out.stem}_masks"), on_case=progress.step)
    _finish(out, cases, remarks=pairing.remarks)


@app.command()
def volume(
    volumes: Annotated[list[Path], typer.Argument(help="NIfTI volumes of one subject whose slices become films.")],
    out: Out,
    picture: Annotated[
        list[str],
        typer.Option(default_factory=list, metavar="NAME=VOLUME", show_default=False, help="Pictures to learn."),
    ],
    labels: Annotated[Path | None, typer.Option(help="Volume of whole numbers.")] = None,
    legend: Annotated[
        str | None, typer.Option(help="What --labels show: 'right_kidney=2; left_kidney=3', a .yaml or .csv file.")
    ] = None,
    window: Annotated[
        str | None, typer.Option(help="LOW,HIGH: what becomes black and white; else each volume's own range.")
    ] = None,
    axis: Annotated[str, typer.Option(help="axial, coronal or sagittal.")] = "axial",
    low_dose: Annotated[
        float | None,
        typer.Option(
            metavar="PHOTONS", help="CT: films as of so many photons a ray; the slices become picture full_dose."
        ),
    ] = None,
    subject: Annotated[str | None, typer.Option(help="The subject's name; else the first volume's.")] = None,
    source: Source = None,
    append: Annotated[bool, typer.Option("--append", help="Add to a manifest that is there already.")] = False,
) -> None:
    """Slices of NIfTI volumes, with other contrasts and labels of the same slices.

    For example: xprism data import volume ct.nii.gz --window=-160,240 --low-dose 1e5 -o ct.csv
    """
    from typing import cast

    from xprism.data.importers.files import assignments
    from xprism.data.importers.legend import read_legend
    from xprism.data.importers.volume import Axis, Slices, VolumeRequest, earlier_cases, read_window
    from xprism.progress import Progress
    from xprism.simulate.lowdose import LowDose

    earlier = earlier_cases(out, append=append)
    request = VolumeRequest(
        volumes=tuple(volumes),
        pictures={name: Path(path) for name, path in assignments(picture, option="--picture NAME=VOLUME").items()},
        labels=labels,
        legend=read_legend(legend) if legend else None,
        window=read_window(window),
        axis=cast(Axis, axis),
        subject=subject,
        source=source,
        low_dose=None if low_dose is None else LowDose(low_dose, volumes[0].name),
    )
    slices = Slices(request)
    with Progress("slices", slices.count) as progress:
        cases = slices.cases(out.with_name(f"{out.stem}_slices"), earlier=earlier, on_case=progress.step)
    _finish(out, cases, remarks=slices.remarks)


def _finish(out: Path, cases: Sequence[Case], *, remarks: Sequence[str] = ()) -> None:
    from xprism.data.manifest import write_manifest

    write_manifest(out, cases)
    for remark in remarks:
        typer.echo(f"note: {remark}")
    typer.echo(f"{len(cases)} cases in {out}")
