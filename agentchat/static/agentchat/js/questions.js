/*
 * The cards that wait for an answer: which is whose, how long they wait, and where the focus goes when one comes or closes.
 */

import { Card } from "./card.js";
import { findIn } from "./make.js";
import { timeLeft } from "./times.js";

const CLOCK_MS = 1_000;

export class Questions {
  #log;
  #page;
  #cards = new Map(); // by request
  #clock = 0;

  /**
   * `send(request, value, { isSecret })` sends an answer, `drafts` keep what was typed, `words` are those of the page. `mayFocus()`
   * says whether a new card may take the focus, `opened(element)` is called when there is one, and `left()` when the
   * person is done with it.
   */
  constructor(log, { send, drafts, words, mayFocus, opened, left }) {
    this.#log = log;
    this.#page = { send, drafts, words, mayFocus, opened, left };
    this.begin();
  }

  /** Go on with the cards that the server rendered. */
  begin() {
    this.#cards.clear();
    this.adopt([this.#log]);
  }

  /** The cards in these elements can be answered here too. */
  adopt(elements) {
    findIn(elements, ".card:has([data-controls])").forEach((element) => this.#open(element));
  }

  take(frame) {
    switch (frame.type) {
      case "INPUT_REQUESTED":
        this.#begin(frame.request);
        break;
      case "INPUT_ANSWERED":
        this.#close(frame.request);
        break;
      case "RUN_FINISHED":
      case "RUN_ERROR":
        this.#cards.forEach((_, request) => this.#close(request));
        break;
    }
  }

  /** An answer to it is on its way. */
  showSent(request) {
    const card = this.#cards.get(request);
    if (card?.isOpen) {
      card.showSent();
    }
  }

  /** The server did not take an answer. Return whether its card says so. */
  refuse(request, rejection) {
    const card = this.#cards.get(request);
    card?.refuse(rejection);
    return Boolean(card) && rejection.code !== "already_answered";
  }

  #begin(request) {
    const element = this.#log.querySelector(`.card[data-id="${CSS.escape(request)}"]`);
    if (element) {
      const mayFocus = this.#page.mayFocus();
      this.#open(element);
      if (mayFocus) {
        this.#cards.get(request).focus();
      }
      this.#page.opened(element);
    }
  }

  /** The first that waits for an answer. */
  get firstOpen() {
    return this.#first?.element;
  }

  focusFirst() {
    this.#first?.focus();
  }

  get #first() {
    return [...this.#cards.values()].find((card) => card.isOpen);
  }

  #open(element) {
    const { send, drafts, words } = this.#page;
    const { id } = element.dataset;
    const name = `card:${id}`;
    const draft = { get: () => drafts.get(name), set: (text) => drafts.set(name, text) };
    this.#cards.set(id, new Card(element, { draft, words, send: (value, options) => send(id, value, options) }));
    this.#showTimes();
    this.#clock ||= setInterval(() => this.#showTimes(), CLOCK_MS);
  }

  #close(request) {
    const card = this.#cards.get(request);
    if (!card) {
      return;
    }
    const isHere = card.hasFocus || (card.wasSent && document.activeElement === document.body);
    card.close();
    this.#cards.delete(request);
    if (isHere) {
      this.#page.left();
    }
  }

  #showTimes() {
    const waiting = [...this.#cards.values()].filter((card) => card.isOpen && card.expiresAt);
    for (const card of waiting) {
      const left = timeLeft(card.expiresAt);
      if (left) {
        card.showTimeLeft(this.#page.words.until.replace("{when}", left));
      } else {
        card.expire();
      }
    }
    if (!waiting.length) {
      clearInterval(this.#clock);
      this.#clock = 0;
    }
  }
}
