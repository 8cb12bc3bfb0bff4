/* An agent's colour and letter, made of its name, as `agentchat/palettes.py` does on the server. */

const PALETTES = 8;

/** The class of the agent's palette. */
export function paletteOf(name) {
  let number = 0;
  for (const character of name) {
    number = (number * 31 + character.codePointAt(0)) % 65521;
  }
  return `palette-${number % PALETTES}`;
}

/** What stands for the name in a circle: its first letter or digit. */
export function letterOf(name) {
  return (name.match(/[\p{L}\p{N}]/u)?.[0] ?? "?").toUpperCase();
}
