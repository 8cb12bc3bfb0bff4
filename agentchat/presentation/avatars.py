"""An agent's colour and letter, derived from its name: the same in every chat, without storing anything.

The colours are in `tokens.css`.
"""

PALETTES = 8


def palette_of(name: str) -> int:
    """The number of the agent's palette."""
    number = 0
    for character in name:
        number = (number * 31 + ord(character)) % 65521
    return number % PALETTES


def letter_of(name: str) -> str:
    """The first letter or digit of the name, shown in a circle."""
    return next((character for character in name if character.isalnum()), "?").upper()
