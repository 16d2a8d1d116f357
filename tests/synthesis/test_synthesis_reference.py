"""The page that explains pipelines is the one that the schema makes."""

from pathlib import Path

from xprism.synthesis.reference import reference

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "synthesis.md"


def test_the_page_says_what_the_schema_says() -> None:
    made = reference()
    remedy = "run: python -m xprism.synthesis.reference > docs/reference/synthesis.md"
    assert PAGE.read_text(encoding="utf-8") == made, remedy
    assert (
        "| `kimg_per_phase` | number, > 0 | `600` | thousand pictures shown while a size fades in, or stays |" in made
    )


def test_every_setting_of_the_page_is_explained() -> None:
    rows = [line for line in reference().splitlines() if line.startswith("| `")]
    assert [row.split("`")[1] for row in rows if row.endswith("|  |")] == ["data"]
