/*
 * The transcript: what the server has rendered of it, with the page or with each event, and messages being written.
 *
 * The server decides what an event changes, and renders it (`agentchat/presentation/live.py`). The page shows it, and
 * knows which elements are unfinished. Only the user's message that has not arrived yet, and the end of a message that
 * is being written, are made here.
 */

import { queryAllIn } from "../common/browser.js";
import { renderTimes } from "../common/times.js";
import { wrapCodeBlocks } from "./code_blocks.js";
import { parseFragment, updateElement } from "./fragments.js";
import { LiveMessage } from "./live_message.js";

const UNFINISHED_CALLS = [
  ...["asked", "held", "running"].map((state) => `.tool[data-state="${state}"]`),
  '.tool[data-state="refused"]:has([data-result]:empty)',
].join();

/** What a frame does to a message being written; each returns whether anything changed. */
const DELTAS = {
  REASONING_MESSAGE_CONTENT: (live, frame) => live.begin(frame),
  TEXT_MESSAGE_CONTENT: (live, frame) => live.append(frame),
  BLOCK: (live, frame) => live.addBlock(frame),
  OPEN_BLOCK: (live, frame) => live.setOpenBlock(frame),
};

const UNANSWERED = '.card:is([data-state="open"], [data-state="sending"])';

// An expired card keeps what was typed into it, also when the run ends.
const EXPIRED_DRAFT = '.card[data-state="expired"]:has([data-controls])';

export class Transcript {
  #log;
  #pending;
  #nested;
  #live = new Map(); // the messages being written, by id
  #changed = new Set(); // those with text that is not rendered yet
  #calls = new Set(); // the elements of tool calls without a result

  constructor(log, pending) {
    this.#log = log;
    this.#pending = pending;
    this.#nested = new NestedChats(log);
    this.reset();
  }

  /** Start from what the server rendered: when the page loads, and after a switch to another branch. */
  reset() {
    this.#live.clear();
    this.#changed.clear();
    this.#calls.clear();
    this.adopt([this.#log]);
  }

  /** Take over what is unfinished in these elements. */
  adopt(elements) {
    queryAllIn(elements, UNFINISHED_CALLS).forEach((call) => this.#calls.add(call));
    queryAllIn(elements, ".message[data-writing]").forEach((message) => this.#track(message));
  }

  /** The transcript itself shows progress, so the page need not say that the agent is working. */
  get isBusy() {
    return this.#calls.size > 0 || [...this.#live.values()].some((message) => message.text);
  }

  /** What the agent is doing, as far as the transcript shows it: `kind` is the name of a page string. */
  get work() {
    const running = [...this.#calls].filter((call) => call.dataset.state === "running");
    if (running.length) {
      return { kind: "tools", tools: running.map((call) => call.querySelector("[data-tool]").textContent) };
    }
    const live = [...this.#live.values()];
    return { kind: live.some(({ text }) => text) ? "running" : live.length ? "asking" : "working" };
  }

  apply(frame) {
    frame.show?.forEach((fragment) => this.#show(fragment));
    const live = this.#live.get(frame.messageId);
    if (live && DELTAS[frame.type]?.(live, frame)) {
      this.#changed.add(live);
    }
  }

  /** Show what has been written since the last animation frame; return whether there is more for the next one. */
  render() {
    this.#changed.forEach((message) => message.render() && this.#changed.delete(message));
    this.#log.setAttribute("aria-busy", String(this.#live.size > 0)); // announced once it is complete
    return this.#changed.size > 0;
  }

  // --- the user's own messages ---------------------------------------------------------------------------------------

  addPending(id, text) {
    if (this.#message(id) || !text.trim()) {
      return;
    }
    const message = document.getElementById("blank-person").content.firstElementChild.cloneNode(true);
    message.dataset.id = id;
    message.querySelector("[data-body]").textContent = text;
    this.#pending.append(message);
  }

  /** Whether a frame of the user's has arrived: their message is here, or the question is answered. */
  shows({ type, id, request }) {
    const target = CSS.escape(type === "send" ? id : request);
    const element = this.#log.querySelector(`:is(.message, .request, .card)[data-id="${target}"]`);
    return Boolean(element) && !element.matches('.request[data-open], .card[data-state="open"]');
  }

  removePending(id) {
    this.#pendingMessage(id)?.remove();
  }

  isFromUser(id) {
    return Boolean(this.#message(id)?.matches(".from-person"));
  }

  // --- fragments -----------------------------------------------------------------------------------------------------

  /** Apply a fragment: `html` replaces the element with this key, or is added; `text` is added to it. */
  #show({ key, html, text, in: group }) {
    const elements = this.#log.querySelectorAll(`[data-key="${CSS.escape(key)}"]`);
    const last = [...elements].at(-1); // a group that goes on in the next part of a chat is in both
    if (text) {
      last?.append(text);
    } else if (!html) {
      elements.forEach((element) => this.#remove(element));
    } else {
      this.#replace(last, parseFragment(html), group);
    }
  }

  #replace(existing, fresh, group) {
    renderTimes(fresh);
    wrapCodeBlocks(fresh);
    const element = existing ?? this.#pendingMessage(fresh.dataset.id) ?? fresh;
    if (!existing) {
      this.#container(group).append(element);
    }
    const hadFocus = element.contains(document.activeElement);
    if (fresh.dataset.state !== "closed" || !element.matches(EXPIRED_DRAFT)) {
      updateElement(element, fresh);
    }
    if (hadFocus && !element.contains(document.activeElement)) {
      element.focus({ preventScroll: true }); // only a card takes it: what had the focus is gone
    }
    this.#note(element, !existing);
  }

  #container(group) {
    const groups = group ? this.#log.querySelectorAll(`[data-key="${CSS.escape(group)}"] > [data-items]`) : [];
    return [...groups].at(-1) ?? this.#log;
  }

  /** Know what is unfinished. */
  #note(element, isNew) {
    if (element.matches(".tool")) {
      this.#calls[element.matches(UNFINISHED_CALLS) ? "add" : "delete"](element);
    } else if (element.matches(".nested")) {
      this.#nested.update(element);
    } else if (element.matches(".card") && isNew) {
      this.#nested.expand(element);
    } else if (element.matches(".message[data-writing]")) {
      this.#track(element);
    } else if (element.matches(".message")) {
      this.#untrack(element);
      this.#addLooseVersions(element);
    }
  }

  /** The versions of a fork that no message had followed yet belong to the first one that does. */
  #addLooseVersions(message) {
    const versions = this.#log.querySelector("[data-loose]");
    if (versions) {
      delete versions.dataset.loose;
      message.querySelector("[data-actions]")?.prepend(versions);
    }
  }

  #remove(element) {
    this.#calls.delete(element);
    this.#untrack(element);
    element.remove();
  }

  #track(message) {
    this.#live.set(message.dataset.id, new LiveMessage(message.querySelector("[data-body]")));
  }

  #untrack(message) {
    this.#changed.delete(this.#live.get(message.dataset.id));
    this.#live.delete(message.dataset.id);
  }

  #message(id) {
    return this.#log.querySelector(`.message[data-id="${CSS.escape(id)}"]`) ?? this.#pendingMessage(id);
  }

  #pendingMessage(id = "") {
    return this.#pending.querySelector(`[data-id="${CSS.escape(id)}"]`);
  }
}

/**
 * Which of the transcript's groups are collapsed.
 *
 * A group is open while it is unfinished and collapses when it finishes, unless the user has toggled it or has the
 * focus in it. A card within it stays visible until it is answered.
 */
class NestedChats {
  #toggled = new WeakSet(); // the groups that the user has opened or closed

  constructor(log) {
    log.addEventListener("click", (event) => this.#toggle(event));
  }

  /** Collapse a group if it has finished. */
  update(group) {
    if (group.dataset.unfinished === undefined && !this.#toggled.has(group) && !group.matches(":focus-within")) {
      group.open = false;
    }
  }

  /** Show an element, whichever groups the user has closed. */
  expand(element) {
    for (let group = element.closest(".nested"); group; group = group.parentElement.closest(".nested")) {
      this.#toggled.delete(group);
      group.open = true;
    }
  }

  #toggle(event) {
    const group = event.target.closest(".nested > summary")?.parentElement;
    if (!group) {
      return;
    }
    if (group.open && group.querySelector(UNANSWERED)) {
      event.preventDefault();
    } else {
      this.#toggled.add(group);
    }
  }
}
