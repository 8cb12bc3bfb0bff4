"""The colors of highlighted code: every class has one, with enough contrast in light and dark."""

import re
from importlib.resources import files
from pathlib import Path

import pytest
from django.contrib import admin

from agentchat.markup.highlighting import CLASSES
from tests.presentation.test_avatars import contrast

CSS = files("agentchat") / "static" / "agentchat" / "css"
MARKDOWN = (CSS / "transcript" / "markdown.css").read_text(encoding="utf-8")
COLOURS = {
    name: dict(zip(("light", "dark"), pair, strict=True))
    for name, *pair in re.findall(r"--(code-\w+): light-dark\((#[0-9a-f]{6}), (#[0-9a-f]{6})\);", MARKDOWN)
}


def test_every_class_has_a_color() -> None:
    rules = dict(re.findall(r"\.prose pre \.(\w+) \{\n  color: var\(--(code-\w+)\);\n\}", MARKDOWN))
    assert rules.keys() == CLASSES
    assert sorted(rules.values()) == sorted(COLOURS)


def grounds(scheme: str) -> list[str]:
    """The backgrounds of code, in the chat page and in admin."""
    tokens = (CSS / "tokens.css").read_text(encoding="utf-8")
    ours = [re.findall(r"--code: light-dark\((#[0-9a-f]{6}), (#[0-9a-f]{6})\);", tokens)[0][scheme == "dark"]]
    file = {"light": "base.css", "dark": "dark_mode.css"}[scheme]
    css = (Path(admin.__file__).parent / "static" / "admin" / "css" / file).read_text(encoding="utf-8")
    return ours + re.findall(r"--darkened-bg: (#[0-9a-f]{6});", css)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", COLOURS)
def test_the_colors_have_enough_contrast(name: str, scheme: str) -> None:
    assert len(grounds(scheme)) >= 2
    for ground in grounds(scheme):
        assert contrast(COLOURS[name][scheme], ground) >= 4.5, ground
