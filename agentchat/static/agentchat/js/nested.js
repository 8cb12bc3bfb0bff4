/*
 * The chats within the chat: where the transcript goes on, and which of its groups are folded.
 *
 * A group is open while it goes on, and folded when it is finished, unless the person has folded or unfolded it, or is at
 * work in it. A card within it stays in sight until it is answered.
 */

import { letterOf, paletteOf } from "./palettes.js";

const UNANSWERED = '.card:is([data-state="open"], [data-state="sending"])';

export class Nested {
  #log;
  #open = []; // the groups that go on, each within the one before
  #chosen = new WeakSet(); // those that the person has folded or unfolded

  constructor(log) {
    this.#log = log;
    log.addEventListener("click", (event) => this.#choose(event));
  }

  /** Go on with the groups that the server rendered. */
  begin() {
    this.#open = [...this.#log.querySelectorAll(".nested[data-unfinished]")];
  }

  /** Where the next element belongs. */
  get place() {
    return this.#open.at(-1)?.querySelector("[data-items]") ?? this.#log;
  }

  /** What follows is said within this group. */
  enter(group, { stepName, name }) {
    group.dataset.step = stepName;
    group.querySelector("summary").classList.add(paletteOf(name));
    group.querySelector("[data-letter]").textContent = letterOf(name);
    group.querySelector("[data-name]").textContent = name;
    this.#open.push(group);
  }

  /** The innermost group of that name is finished; nothing within it outlasts it. */
  finish(stepName) {
    const index = this.#open.findLastIndex((group) => group.dataset.step === stepName);
    if (index >= 0) {
      this.#finishFrom(index);
    }
  }

  finishAll() {
    this.#finishFrom(0);
  }

  /** There is a card at the place: show it, whatever the person has folded. */
  unfold() {
    for (const group of this.#open) {
      this.#chosen.delete(group);
      group.open = true;
    }
  }

  /** Remove an element, and the finished groups that are empty without it. */
  remove(element) {
    const group = element.parentElement?.closest(".nested");
    element.remove();
    if (group) {
      this.#removeIfEmpty(group);
    }
  }

  #finishFrom(index) {
    for (const group of this.#open.splice(index).reverse()) {
      delete group.dataset.unfinished;
      if (!this.#chosen.has(group) && !group.matches(":focus-within")) {
        group.open = false;
      }
      this.#removeIfEmpty(group);
    }
  }

  #removeIfEmpty(group) {
    if (group.dataset.unfinished === undefined && !group.querySelector("[data-items]").childElementCount) {
      this.remove(group);
    }
  }

  #choose(event) {
    const group = event.target.closest(".nested > summary")?.parentElement;
    if (!group) {
      return;
    }
    if (group.open && group.querySelector(UNANSWERED)) {
      event.preventDefault();
    } else {
      this.#chosen.add(group);
    }
  }
}
