"""An agent's colour and letter, made of its name: the same ones in every chat, and nothing to store.

`palettes.js` does the same in the browser; what changes here changes there too. The colours are in `tokens.css`.
"""

PALETTES = 8


def palette_of(name: str) -> int:
    """The number of the agent's palette."""
    number = 0
    for character in name:
        number = (number * 31 + ord(character)) % 65521
    return number % PALETTES


def letter_of(name: str) -> str:
    """What stands for the name in a circle: its first letter or digit."""
    return next((character for character in name if character.isalnum()), "?").upper()
