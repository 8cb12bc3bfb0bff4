/*
 * One message while it is written: its text so far, the blocks of it that are rendered, and the plain rest.
 *
 * Deltas say where they belong (`offset`, in UTF-16 code units as strings here count), so a repeated one changes nothing. A
 * higher attempt writes the message anew.
 */

const SIGNAL = "TERMINATE"; // says to the program, not to the person, that the chat is over

/** Whether a complete message has no words for the person. */
export function saysNothing(content) {
  return ["", SIGNAL].includes(content.trim());
}

export class Writing {
  #body;
  #tail = document.createElement("span");
  #attempt = 0;
  #ends = []; // where the text of each block ends
  #blocks = []; // rendered, and not in the page yet

  constructor(body) {
    this.text = "";
    this.#body = body;
    this.#tail.className = "tail";
  }

  /** Take a delta; return whether anything changed. */
  write({ attempt, offset, delta }) {
    if (attempt > this.#attempt && offset === 0) {
      this.#restart(attempt);
    }
    if (attempt !== this.#attempt || offset > this.text.length) {
      return false; // of an attempt that was given up, or after a gap: the end of the message brings it all
    }
    this.text = this.text.slice(0, offset) + delta;
    return true;
  }

  /** Take a rendered block; return whether anything changed. */
  addBlock({ attempt, index, end, html }) {
    if (attempt !== this.#attempt || index !== this.#ends.length || end > this.text.length) {
      return false;
    }
    this.#ends.push(end);
    this.#blocks.push(html);
    return true;
  }

  paint() {
    for (const html of this.#blocks.splice(0)) {
      this.#tail.insertAdjacentHTML("beforebegin", html); // cleaned by the server, from its own rendering
    }
    this.#tail.textContent = withoutSignal(this.text.slice(this.#ends.at(-1) ?? 0).replace(/^\n+/, ""));
  }

  #restart(attempt) {
    this.#attempt = attempt;
    this.text = "";
    this.#ends = [];
    this.#blocks = [];
    this.#body.replaceChildren(this.#tail);
  }
}

/** The words without a last one that is, or may become, the signal. */
function withoutSignal(text) {
  const last = /(?:^|\s)(\S+)\s*$/.exec(text);
  return last && SIGNAL.startsWith(last[1]) ? text.slice(0, last.index) : text;
}
