/*
 * JSON with all digits of its numbers, and with codes for characters that cannot be seen.
 *
 * JavaScript rounds 12345678901234567890. A number that would change is an ExactNumber here, which keeps its digits and
 * is written as they are. What a user approves is sent back as it came.
 */

import { newId } from "./browser.js";

const MARK = `${newId()}:`; // no text in a page begins like this
const MARKED = new RegExp(`"${MARK}([^"]+)"`, "g");
const TOKEN = /"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g;
const HIDDEN = /(?! )[\p{C}\p{Z}\p{DI}\u2800]/gu; // DI: what is to be ignored where a font lacks it
const EMOJI = /\p{Extended_Pictographic}(?:\ufe0f|\u200d(?=\p{Extended_Pictographic}))*/gu; // joined by such characters

export class ExactNumber {
  constructor(digits) {
    this.digits = digits;
  }

  toString() {
    return this.digits;
  }

  valueOf() {
    return Number(this.digits);
  }

  toJSON() {
    return MARK + this.digits;
  }
}

/** Like JSON.parse. Throws for what is no JSON. */
export function parseExact(text) {
  JSON.parse(text);
  const marked = text.replace(TOKEN, (token) => (token[0] === '"' || isExact(token) ? token : `"${MARK}${token}"`));
  return JSON.parse(marked, (_, value) => {
    const isMarked = typeof value === "string" && value.startsWith(MARK);
    return isMarked ? new ExactNumber(value.slice(MARK.length)) : value;
  });
}

/** Like JSON.stringify. */
export function stringifyExact(value, replacer, space) {
  return JSON.stringify(value, replacer, space)?.replace(MARKED, "$1");
}

/** The number that a user has typed, in JavaScript's or JSON's spelling. */
export function numberFrom(text) {
  try {
    return parseExact(text.trim());
  } catch {
    return Number(text); // 007, or .5
  }
}

/** Whether a value has a text with a character that shows nothing, or that moves others. */
export function hasHidden(value) {
  if (typeof value === "string") {
    return value.replace(/[\n\t]/g, "").replace(EMOJI, "").search(HIDDEN) >= 0;
  }
  return Array.isArray(value) && value.some(hasHidden);
}

/** The value as JSON to be edited: a code like \u202e for each such character. */
export function editableJson(value) {
  const codes = (found) => found.split("").map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`);
  return stringifyExact(value, null, 2).replace(HIDDEN, (found) => (found === "\n" ? found : codes(found).join("")));
}

/** Whether JavaScript writes the number as it is. From 2^53 on, it may not: Python reads other digits there, too. */
function isExact(token) {
  const number = Number(token);
  return Math.abs(number) <= Number.MAX_SAFE_INTEGER && normal(String(number)) === normal(token);
}

/** The same for equal numbers only: the digits without zeros around them, and the exponent. */
function normal(number) {
  const [, sign, whole, fraction = "", exponent = "0"] = /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/.exec(number);
  const digits = (whole + fraction).replace(/^0+/, "");
  const significant = digits.replace(/0+$/, "");
  const power = Number(exponent) - fraction.length + digits.length - significant.length;
  return significant ? `${sign}${significant}e${power}` : `${sign}0`;
}
