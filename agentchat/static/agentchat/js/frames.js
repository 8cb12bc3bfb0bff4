/*
 * Frames on their way to the page: each fact once, by its number, and all that came together before the next picture.
 *
 * A hidden page draws no pictures; there a timer takes their place, so that nothing piles up.
 */

const LATEST_MS = 500;

export class Frames {
  #waiting = [];
  #picture = 0;
  #timer = 0;

  /** `take(frame)` is called for each frame in order, then `done()`. */
  constructor(seq, take, done) {
    /** The number of the last fact that was received: where the server is to go on after a lost connection. */
    this.seq = seq;
    this.take = take;
    this.done = done;
  }

  add(frame) {
    if (frame.seq !== undefined) {
      if (frame.seq <= this.seq) {
        return; // catching up repeats
      }
      this.seq = frame.seq;
    }
    this.#waiting.push(frame);
    if (!this.#timer) {
      this.#picture = requestAnimationFrame(() => this.#flush());
      this.#timer = setTimeout(() => this.#flush(), LATEST_MS);
    }
  }

  #flush() {
    cancelAnimationFrame(this.#picture);
    clearTimeout(this.#timer);
    this.#timer = 0;
    const frames = this.#waiting;
    this.#waiting = [];
    for (const frame of frames) {
      try {
        this.take(frame);
      } catch (error) {
        reportError(error); // one that cannot be shown must not cost those that came with it
      }
    }
    this.done();
  }
}
