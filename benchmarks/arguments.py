"""What the scripts take on their command lines, refused in one line where it makes no sense."""

from argparse import ArgumentTypeError
from dataclasses import dataclass

from training.errors import RecipeInvalid
from training.recipes import find_recipe


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A recipe's name, and for how many epochs where that was said."""

    recipe: str
    epochs: int | None


def recipe_name(text: str) -> str:
    try:
        return find_recipe(text).name
    except RecipeInvalid as error:
        raise ArgumentTypeError(str(error)) from error


def wanted(text: str) -> Wanted:
    """NAME or NAME:EPOCHS."""
    name, colon, epochs = text.partition(":")
    return Wanted(recipe=recipe_name(name), epochs=count(epochs) if colon else None)


def count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise ArgumentTypeError(f"'{text}' is no number of 1 or more")
    return int(text)


def duration(text: str) -> float:
    """Seconds."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not seconds > 0:
        raise ArgumentTypeError(f"'{text}' is no number above 0")
    return seconds
