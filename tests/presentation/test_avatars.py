"""An agent's colour and letter."""

import re
from importlib.resources import files

import pytest

from agentchat.presentation.avatars import PALETTES, letter_of, palette_of

CSS = files("agentchat") / "static" / "agentchat" / "css"


@pytest.mark.parametrize(
    ("name", "letter"),
    [
        ("planner", "P"),
        ("_user", "U"),
        ("3d printer", "3"),
        ("été", "É"),
        ("straße", "S"),
        ("評論家", "評"),
        ("🤖", "?"),
    ],
)
def test_the_letter_is_the_names_first(name, letter):
    assert letter_of(name) == letter


def test_a_name_always_has_the_same_palette_and_there_are_eight():
    names = [f"agent {number}" for number in range(200)]
    assert [palette_of(name) for name in names] == [palette_of(name) for name in names]
    assert {palette_of(name) for name in names} == set(range(PALETTES)) == set(range(8))


def test_every_palette_has_a_class():
    rules = (CSS / "transcript" / "messages.css").read_text()
    assert re.findall(r"\.palette-(\d)", rules) == [str(number) for number in range(PALETTES)]


def luminance(colour):
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(one, other):
    dark, light = sorted([luminance(one), luminance(other)])
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("number", range(PALETTES))
def test_names_and_letters_have_enough_contrast(number, scheme):
    pairs = re.findall(r"--([\w-]+): light-dark\((#[0-9a-f]{6}), (#[0-9a-f]{6})\);", (CSS / "tokens.css").read_text())
    colours = {name: light if scheme == "light" else dark for name, light, dark in pairs}
    colour = colours[f"palette-{number}"]
    assert contrast(colour, colours["paper"]) >= 4.5
    assert contrast(colour, colours["raised"]) >= 4.5
    assert contrast(colours["on-accent"], colour) >= 4.5
