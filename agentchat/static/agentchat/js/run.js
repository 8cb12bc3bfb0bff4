/*
 * What the run is doing, as far as the facts say: idle, queued, running, or waiting with a question.
 *
 * The same rules as `agentchat/transcript.py`, which gives the state that the page begins with.
 */

import { asks } from "./cards.js";

export class Run {
  #open = new Set(); // the questions without an answer

  /** `question` is the element that shows an open question; it holds the one that the page began with. */
  constructor(state, question, log) {
    this.begin(state, question, log);
  }

  /** Go on with what the server rendered. */
  begin(state, question, log) {
    this.#open.clear();
    this.state = state;
    /** The question that the composer asks: `{id, prompt, isPassword}`. */
    this.request = null;
    /** How many runs are before this one, while it waits for its turn; null if nobody said so. */
    this.ahead = null;
    /** The person wants it to stop, and it has not yet. */
    this.isStopping = false;
    const { request, password } = question.dataset;
    if (request) {
      const prompt = question.querySelector("#question-words").textContent;
      this.request = { id: request, prompt, isPassword: password !== undefined };
      this.#open.add(request);
    }
    log.querySelectorAll('.card[data-state="open"]').forEach((card) => this.#open.add(card.dataset.id));
  }

  /** It is the agent's turn. */
  get isBusy() {
    return this.state === "queued" || this.state === "running";
  }

  /** The person was asked something. An agent that talks on has answered, and asks for the next message without a word. */
  get asks() {
    return this.#open.size > (this.request && !this.request.isPassword && !this.request.prompt.trim() ? 1 : 0);
  }

  /** The person can stop it: it works, or waits for a card, and whoever does not want to answer that needs a way out. */
  get canStop() {
    return this.isBusy || [...this.#open].some((request) => request !== this.request?.id);
  }

  take(frame) {
    this.ahead = this.#aheadAfter(frame);
    switch (frame.type) {
      case "QUEUED":
        this.state = this.state === "idle" ? "queued" : this.state;
        break;
      case "RUN_STARTED":
        this.isStopping = false;
        this.state = "running";
        break;
      case "INPUT_REQUESTED":
        this.isStopping = false;
        this.state = "waiting";
        this.#open.add(frame.request);
        if (asks(frame) === "text") {
          this.request = { id: frame.request, prompt: frame.prompt, isPassword: Boolean(frame.password) };
        }
        break;
      case "INPUT_ANSWERED":
        if (this.request?.id === frame.request) {
          this.request = null;
        }
        if (this.#open.delete(frame.request) && !this.#open.size) {
          this.state = "running";
        }
        break;
      case "RUN_FINISHED":
      case "RUN_ERROR":
        this.state = "idle";
        this.isStopping = false;
        this.request = null;
        this.#open.clear();
        break;
    }
  }

  /** It waits until the run says something; what the person says meanwhile changes nothing. */
  #aheadAfter(frame) {
    if (frame.type === "QUEUED") {
      return frame.ahead;
    }
    return frame.type === "TEXT_MESSAGE_END" || frame.role === "user" ? this.ahead : null;
  }
}
