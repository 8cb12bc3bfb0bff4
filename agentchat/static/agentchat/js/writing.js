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
  #tail;
  #attempt = 0;
  #ends = []; // where the text of each block ends
  #blocks = []; // rendered, and not in the page yet
  #painted = ""; // those that are

  constructor(body) {
    this.text = "";
    this.#body = body;
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
    if (this.#blocks.length) {
      const html = this.#blocks.splice(0).join("");
      this.#painted += html;
      this.#tail.insertAdjacentHTML("beforebegin", html); // cleaned by the server, from its own rendering
      this.#beginTail(); // another one: to move this one down would be a shift of the page
    }
    this.#tail.textContent = withoutSignal(this.text.slice(this.#ends.at(-1) ?? 0).replace(/^\n+/, ""));
  }

  /** Take the HTML of the whole message, cleaned by the server. What the page has of it stays as it stands. */
  finish(html) {
    if (this.#painted && html.startsWith(this.#painted)) {
      this.#tail.remove();
      this.#body.insertAdjacentHTML("beforeend", html.slice(this.#painted.length));
    } else {
      this.#body.innerHTML = html; // a link may be defined at the end
    }
  }

  #restart(attempt) {
    this.#attempt = attempt;
    this.text = "";
    this.#ends = [];
    this.#blocks = [];
    this.#painted = "";
    this.#body.replaceChildren();
    this.#beginTail();
  }

  #beginTail() {
    this.#tail?.remove();
    this.#tail = document.createElement("span");
    this.#tail.className = "tail";
    this.#body.append(this.#tail);
  }
}

/** The words without a last one that is, or may become, the signal. */
function withoutSignal(text) {
  const last = /(?:^|\s)(\S+)\s*$/.exec(text);
  return last && SIGNAL.startsWith(last[1]) ? text.slice(0, last.index) : text;
}
