/*
 * The queue of received frames: applies each stored event once, by its number, and in batches, one per animation frame.
 *
 * A hidden page has no animation frames; there a timer replaces them, so that nothing piles up.
 */

const MAX_DELAY_MS = 500;

export class FrameQueue {
  #waiting = [];
  #animationFrame = 0;
  #timer = 0;

  /** `apply(frame)` is called for each frame of a batch in order, then `done()`: is there more to do in the next? */
  constructor(seq, apply, done) {
    /** The number of the last event received: after a reconnect, the server continues from there. */
    this.seq = seq;
    this.apply = apply;
    this.done = done;
  }

  add(frame) {
    if (frame.seq !== undefined) {
      if (frame.seq <= this.seq) {
        return; // repeated after a reconnect
      }
      this.seq = frame.seq;
    }
    this.#waiting.push(frame);
    this.#schedule();
  }

  #schedule() {
    if (!this.#timer) {
      this.#animationFrame = requestAnimationFrame(() => this.#flush());
      this.#timer = setTimeout(() => this.#flush(), MAX_DELAY_MS);
    }
  }

  #flush() {
    cancelAnimationFrame(this.#animationFrame);
    clearTimeout(this.#timer);
    this.#timer = 0;
    const frames = this.#waiting;
    this.#waiting = [];
    for (const frame of frames) {
      try {
        this.apply(frame);
      } catch (error) {
        reportError(error); // one broken frame must not lose the rest of the batch
      }
    }
    if (this.done()) {
      this.#schedule();
    }
  }
}
