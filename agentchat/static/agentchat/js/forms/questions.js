/*
 * The open cards: which card belongs to which request, their deadlines, and where the focus goes when a card opens or
 * closes.
 */

import { queryAllIn } from "../common/browser.js";
import { timeLeft } from "../common/times.js";
import { Card } from "./card.js";

const TICK_MS = 1_000;

export class Questions {
  #log;
  #page;
  #cards = new Map(); // by request
  #timer = 0;

  /**
   * `send(request, value, { isSecret })` sends an answer, `drafts` store unsent input, `strings` are the page's.
   * `mayFocus()` returns whether a new card may take the focus; `opened(element)` is called when a card opens, and
   * `closed()` when the card closes that the user was working on.
   */
  constructor(log, { send, drafts, strings, mayFocus, opened, closed }) {
    this.#log = log;
    this.#page = { send, drafts, strings, mayFocus, opened, closed };
    this.reset();
  }

  /** Start from the cards that the server rendered. */
  reset() {
    this.#cards.clear();
    this.adopt([this.#log]);
  }

  /** Take over the open cards in these elements. */
  adopt(elements) {
    queryAllIn(elements, ".card:has([data-controls])").forEach((element) => this.#open(element));
  }

  apply(frame) {
    switch (frame.type) {
      case "INPUT_REQUESTED":
        this.#openNew(frame.request);
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

  /** An answer to the request is on its way. */
  showSent(request) {
    const card = this.#cards.get(request);
    if (card?.isOpen) {
      card.showSent();
    }
  }

  /** The server rejected an answer. Return whether its card shows that. */
  reject(request, rejection) {
    const card = this.#cards.get(request);
    card?.reject(rejection);
    return Boolean(card) && rejection.code !== "already_answered";
  }

  #openNew(request) {
    const element = this.#log.querySelector(`.card[data-id="${CSS.escape(request)}"]:has([data-controls])`);
    if (element) {
      const mayFocus = this.#page.mayFocus();
      this.#open(element);
      if (mayFocus) {
        this.#cards.get(request).focus();
      }
      this.#page.opened(element);
    }
  }

  /** The element of the first card that waits for an answer. */
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
    const { send, drafts, strings } = this.#page;
    const { id } = element.dataset;
    const key = `card:${id}`;
    const draft = { get: () => drafts.get(key), set: (text) => drafts.set(key, text) };
    this.#cards.set(id, new Card(element, { draft, strings, send: (value, options) => send(id, value, options) }));
    this.#showDeadlines();
    this.#timer ||= setInterval(() => this.#showDeadlines(), TICK_MS);
  }

  #close(request) {
    const card = this.#cards.get(request);
    if (!card) {
      return;
    }
    const wasInUse = card.hasFocus || (card.wasSent && document.activeElement === document.body);
    card.close();
    this.#cards.delete(request);
    if (wasInUse) {
      this.#page.closed();
    }
  }

  #showDeadlines() {
    const waiting = [...this.#cards.values()].filter((card) => card.isOpen && card.expiresAt);
    for (const card of waiting) {
      const left = timeLeft(card.expiresAt);
      if (left) {
        card.showTimeLeft(this.#page.strings.until.replace("{when}", left));
      } else {
        card.expire();
      }
    }
    if (!waiting.length) {
      clearInterval(this.#timer);
      this.#timer = 0;
    }
  }
}
