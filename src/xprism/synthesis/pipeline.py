"""What a pipeline file may say: the films that teach, and one, two or three stages that make labelled films."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from xprism.synthesis.augment import VariantLimits
from xprism.synthesis.decoding import Reason
from xprism.synthesis.pyramid import Way
from xprism.training.recipe_file import load_settings
from xprism.training.recipe_networks import Count, Part

Makes = Literal["dots", "labels", "film", "labels_and_film"]
PAGE = "docs/reference/synthesis.md"
GROUP = 4
"""Pictures of a batch that PGGAN's critic compares with each other; batches are multiples of it, or smaller."""
Share = Annotated[float, Field(ge=0, lt=1)]


class FilmsPart(Part):
    """Which films of the manifest teach, and how dots and label maps are made of their masks."""

    films: Path | None = Field(
        None, description="text file with a case or subject a line; null learns from the whole manifest"
    )
    variants: bool = Field(True, description="six of every film: itself, rotated, shifted three ways, with noise")
    degrees: float = Field(VariantLimits.degrees, ge=0, description="largest rotation of a variant, either way")
    shift: Share = Field(VariantLimits.shift, description="largest shift of a variant, in parts of the side")
    variance: tuple[float, float] = Field(
        (2.55, 7.65), description="smallest and largest variance of noise on grey values 0 to 255"
    )
    clavicles: bool = Field(True, description="label maps show clavicles; dots always do")
    dot_radius: int = Field(1, ge=0, description="dots are blocks of 2 radius + 1 pixels")
    smallest_dot: Count = Field(1, description="pieces of fewer pixels in a drawn dot map are dropped")
    rejects: tuple[Reason, ...] = Field(
        ("missing", "several"),
        description="a drawn dot map is turned down where a structure has no piece, or several; [] takes all",
    )
    seed: int = Field(0, description="of the variants")

    @property
    def limits(self) -> VariantLimits:
        return VariantLimits(degrees=self.degrees, shift=self.shift, variance=self.variance)


class _StagePart(Part):
    looks: Count = Field(
        20, description="how often, evenly spread, a picture of fixed samples is drawn and the weights are kept"
    )
    watched: Count = Field(16, description="fixed samples of a look")
    collapse_below: Share = Field(
        0.25, description="a look whose samples differ by less than this part of what films differ by is flagged"
    )
    checkpoint_every: Count = Field(200, description="steps between checkpoints")
    seed: int = Field(0, description="of weights, order and latents")


class PGGANPart(_StagePart):
    """A progressively growing GAN (``networks.ProgressiveGenerator``), which makes pictures from noise.

    It begins at 4x4 pixels; each size fades in, then stays, for the same number of pictures.
    """

    kind: Literal["pggan"]
    size: Literal[4, 8, 16, 32, 64, 128, 256, 512, 1024] = Field(description="side of the pictures in pixels")
    maps: Count = Field(64, description="most feature maps of a layer, and length of a latent")
    kimg_per_phase: float = Field(600, gt=0, description="thousand pictures shown while a size fades in, or stays")
    kimg: float | None = Field(
        12000, gt=0, description="thousand pictures shown in all; null ends with the last phase of the full size"
    )
    batch: dict[int, Count] = Field(
        default_factory=dict,
        description="pictures a step, by size; where not given 128 up to 16 pixels, then 64, 32, 16, 8, 4 and 4",
    )
    learning_rate: float = Field(1e-3, gt=0, description="of both networks")
    learning_rate_at_1024: float = Field(1.5e-3, gt=0, description="of both networks at 1024 pixels")
    betas: tuple[float, float] = Field((0.0, 0.99), description="of Adam, which begins anew at every size")
    ema: Share = Field(0.999, description="decay of the averaged weights, which are the ones kept")
    pyramid: Way = Field(
        "average",
        description="how pictures are shrunk to the smaller sizes; nearest and brightest make no new codes, brightest "
        "loses no dots",
    )
    penalty: float = Field(10.0, ge=0, description="weight of the critic's gradient penalty")
    drift: float = Field(0.001, ge=0, description="weight of the critic's squared judgements")

    @model_validator(mode="after")
    def _batches_fall_into_groups(self) -> PGGANPart:
        wrong = {size: batch for size, batch in self.batch.items() if batch > GROUP and batch % GROUP}
        if wrong:
            raise ValueError(f"batch: more than {GROUP} pictures come in multiples of {GROUP}, not {wrong}")
        return self


class Pix2PixHDPart(_StagePart):
    """Pix2PixHD (``networks.Pix2PixHDGenerator``), which makes a label map of dots, or a film of a label map."""

    kind: Literal["pix2pixhd"]
    size: Count = Field(description="side of the pictures in pixels, a multiple of 2 ** downs")
    width: Count = Field(64, description="channels of the generator's first layer")
    downs: Count = Field(4, description="how often the generator halves the picture")
    blocks: Count = Field(9, description="residual blocks of the generator")
    discriminator_width: Count = Field(64, description="channels of the discriminators' first layer")
    epochs: Count = Field(100, description="epochs at the full learning rate")
    epochs_of_decline: int = Field(100, ge=0, description="epochs after those, in which the rate falls to zero")
    batch: Count = Field(1, description="pictures a step")
    learning_rate: float = Field(2e-4, gt=0, description="of both networks")
    betas: tuple[float, float] = Field((0.5, 0.999), description="of Adam")
    ema: Share = Field(0.0, description="decay of the averaged weights, which are the ones kept; 0 keeps the last ones")
    feature_weight: float = Field(10.0, ge=0, description="weight of the discriminators' features")
    precision: Literal["32-true", "bf16-mixed"] = Field("32-true", description="bf16 is faster where hardware has it")
    apart: int = Field(
        0,
        ge=0,
        description="for label maps of dots: so many more of each film and variant, with every structure moved on its "
        "own, anew in every epoch, so that structures follow their dots",
    )
    apart_by: Count = Field(4, description="how far those are moved at most along either axis, in dot-map pixels")

    @model_validator(mode="after")
    def _size_fits(self) -> Pix2PixHDPart:
        multiple = 2**self.downs
        if self.size % multiple or self.size < 2 * multiple:
            raise ValueError(f"size: {self.downs} downs take multiples of {multiple} from {2 * multiple} on")
        return self


StagePart = PGGANPart | Pix2PixHDPart


class StagesPart(Part):
    """The stages by what they make: `labels_and_film`; or `labels` (pggan), `film`; or `dots`, `labels`, `film`.

    A pggan draws from noise, a pix2pixhd works on what the stage before it made.
    """

    dots: PGGANPart | None = Field(None, description="dot maps from noise")
    labels: Annotated[StagePart, Field(discriminator="kind")] | None = Field(
        None, description="label maps, by a pggan from noise or by a pix2pixhd from dots"
    )
    film: Pix2PixHDPart | None = Field(None, description="films from label maps")
    labels_and_film: PGGANPart | None = Field(None, description="both at once from noise, as one picture of 2 channels")

    @model_validator(mode="after")
    def _lead_to_films(self) -> StagesPart:
        given = {name: part.kind for name in StagesPart.model_fields if (part := getattr(self, name))}
        known = (
            {"labels_and_film": "pggan"},
            {"labels": "pggan", "film": "pix2pixhd"},
            {"dots": "pggan", "labels": "pix2pixhd", "film": "pix2pixhd"},
        )
        if given not in known:
            said = ", ".join(f"{name} ({kind})" for name, kind in given.items()) or "none"
            ways = "; or ".join(", ".join(f"{name} ({kind})" for name, kind in way.items()) for way in known)
            raise ValueError(f"these stages lead to no labelled film: {said}; there may be {ways}")
        return self

    @model_validator(mode="after")
    def _films_are_no_label_maps(self) -> StagesPart:
        if self.film and self.film.apart:
            raise ValueError("film: apart is for label maps; leave it out here")
        return self

    @model_validator(mode="after")
    def _sizes_fit(self) -> StagesPart:
        if self.labels and self.film and self.labels.size != self.film.size:
            raise ValueError(f"labels of {self.labels.size} pixels do not fit a film of {self.film.size}")
        if self.dots and self.labels and self.labels.size % self.dots.size:
            raise ValueError(f"dots of {self.dots.size} pixels cannot be enlarged to labels of {self.labels.size}")
        return self


class Pipeline(Part):
    """Everything about the trainings of one, two or three stages."""

    name: str = Field(description="of the pipeline")
    data: FilmsPart = FilmsPart()
    stages: StagesPart = Field(description="what is made, one after the other")
    threads: int = Field(0, ge=0, description="CPU threads; 0 takes all")

    @property
    def chain(self) -> tuple[Stage, ...]:
        """The stages in the order in which they work."""
        parts = [(name, part) for name in StagesPart.model_fields if (part := getattr(self.stages, name))]
        return tuple(Stage(number, name, part) for number, (name, part) in enumerate(parts, start=1))  # type: ignore[arg-type]

    @property
    def size(self) -> int:
        """Side of its films in pixels."""
        return self.chain[-1].part.size


@dataclass(frozen=True)
class Stage:
    """One stage: its number in the pipeline, from 1, what it makes, and its settings."""

    number: int
    makes: Makes
    part: StagePart

    @property
    def name(self) -> str:
        """The name of its folder in a run."""
        return f"{self.number}-{self.makes.replace('_', '-')}"


def load_pipeline(path: Path | str, *, profile: str | None = None, changes: tuple[str, ...] = ()) -> Pipeline:
    """Read a pipeline file with one of its profiles and changes on top, as recipes are read.

    Raises ``RecipeError`` naming file, line, setting and what to write.
    """
    path = Path(path)
    pipeline, settings = load_settings(Pipeline, path, profile=profile, changes=changes, page=PAGE)
    films = pipeline.data.films
    if films is None:
        return pipeline
    films = settings.absolute(("data", "films"), films, home=path.parent)
    return pipeline.model_copy(update={"data": pipeline.data.model_copy(update={"films": films})})
