"""The page that explains recipes is the one that the schema makes."""

from pathlib import Path

from xprism.training.recipe_reference import reference

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "recipe.md"


def test_the_page_says_what_the_schema_says() -> None:
    made = reference()
    remedy = "run: python -m xprism.training.recipe_reference > docs/reference/recipe.md"
    assert PAGE.read_text(encoding="utf-8") == made, remedy
    assert "| `learning_rate` | number, > 0 | `0.002` | highest rate |" in made


def test_every_setting_of_the_page_is_explained() -> None:
    rows = [line for line in reference().splitlines() if line.startswith("| `")]
    unexplained = [row for row in rows if row.endswith("|  |")]
    assert [row.split("`")[1] for row in unexplained] == ["data", "input", "network", "objective", "schedule"]
