/*
 * Turning to another branch: when a fact says that people look at another one, the transcript is fetched as the server
 * renders it, and takes the place of the one that is here. What arrives meanwhile waits.
 */

const RETRY_MS = 2_000;

export class Turning {
  #log;
  #page;
  #held = null; // frames, while the transcript is on its way
  #seq = 0; // the last fact that it has shown

  /** `take(frame)` takes a frame that had to wait. `turned(fetched)` is called when the transcript, of that document, is here. */
  constructor(log, { take, turned }) {
    this.#log = log;
    this.#page = { take, turned };
  }

  /** Whether the frame is none of the transcript's that is here: it was shown already, or has to wait. */
  holds(frame) {
    if (frame.type === "rejected") {
      return false;
    }
    if (this.#held) {
      this.#held.push(frame);
      return true;
    }
    if (frame.seq <= this.#seq) {
      return true;
    }
    if (frame.type === "BRANCH_SELECTED" || (frame.type === "RUN_STARTED" && frame.fromSeq !== undefined)) {
      this.#held = [];
      this.#turn();
      return true;
    }
    return false;
  }

  async #turn() {
    const fetched = await this.#fetch();
    const log = fetched.getElementById(this.#log.id);
    this.#seq = Number(fetched.getElementById("chat").dataset.seq);
    const keep = this.#placeInSight();
    this.#log.setAttribute("aria-live", "off"); // else all of it would be read aloud
    for (const { name, value } of log.attributes) {
      this.#log.setAttribute(name, value);
    }
    this.#log.replaceChildren(...log.childNodes);
    this.#page.turned(fetched);
    keep();
    setTimeout(() => this.#log.removeAttribute("aria-live"), 1_000);
    const held = this.#held;
    this.#held = null;
    held.forEach((frame) => this.#page.take(frame));
  }

  async #fetch() {
    for (;;) {
      try {
        const response = await fetch(location.pathname, { headers: { Accept: "text/html" } });
        const fetched = new DOMParser().parseFromString(await response.text(), "text/html");
        if (response.ok && !response.redirected && fetched.getElementById("chat")) {
          return fetched;
        }
        if (response.status < 500) {
          location.reload(); // signed out, or gone: the server says so
        }
      } catch {
        // No connection: it comes back.
      }
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  }

  /** Return what scrolls the first message in sight, or one that is still there, back to where it was. */
  #placeInSight() {
    const inSight = [...this.#log.querySelectorAll(".message[data-id]")]
      .map((message) => ({ id: message.dataset.id, top: message.getBoundingClientRect().top }))
      .filter(({ top }) => top > -innerHeight && top < innerHeight)
      .sort((a, b) => Math.abs(a.top) - Math.abs(b.top));
    return () => {
      for (const { id, top } of inSight) {
        const message = this.#log.querySelector(`.message[data-id="${CSS.escape(id)}"]`);
        if (message) {
          scrollBy({ top: message.getBoundingClientRect().top - top, behavior: "instant" });
          return;
        }
      }
    };
  }
}
