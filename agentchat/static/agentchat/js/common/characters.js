/*
 * The characters of a text, counted as the server counts them (an emoji is one), and the limit of a field.
 *
 * Nothing is cut off: the field takes more than the limit, and says so. A browser's own `maxlength` counts an emoji as
 * two, and cuts off what is pasted without a word.
 */

const SHOWN_FROM = 0.9;

export class CharacterLimit {
  #field;
  #label;
  #strings;
  #announce;
  #text = "";

  /** `field.dataset.max` is the limit; `label` shows it when it is near, and `announce(text)` says it. */
  constructor(field, label, strings, announce = () => {}) {
    this.#field = field;
    this.#label = label;
    this.#strings = strings;
    this.#announce = announce;
    field.addEventListener("input", () => this.show());
    this.show();
  }

  /** Whether the text is too long; if it is, say so again. */
  refuses() {
    const isExceeded = this.#excess > 0;
    if (isExceeded) {
      this.#announce(this.#text);
    }
    return isExceeded;
  }

  show() {
    const excess = this.#excess;
    const isNear = excess > -(1 - SHOWN_FROM) * this.#max;
    const name = excess > 0 ? "tooLong" : "left";
    const count = Math.abs(excess).toLocaleString(document.documentElement.lang);
    const text = isNear ? this.#strings[name].replace("{count}", count) : "";
    if (text && (!this.#text || this.#label.dataset.is !== name)) {
      this.#announce(text); // when the limit is near and when it is exceeded, not at every key
    }
    this.#text = text;
    [this.#label.textContent, this.#label.hidden, this.#label.dataset.is] = [text, !isNear, name];
  }

  get #max() {
    return Number(this.#field.dataset.max);
  }

  /** The number of characters over the limit; negative if there is room. */
  get #excess() {
    const { value } = this.#field;
    return (value.length > this.#max ? [...value].length : value.length) - this.#max;
  }
}
