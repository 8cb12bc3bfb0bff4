/*
 * The actions on messages: regenerate an answer, edit a message of one's own, switch to another version, rate an
 * answer.
 *
 * Their buttons are part of each message. The server replies with events, to which branch_switch.js reacts; rejected
 * frames come back here.
 */

import { isComposing, newId } from "../common/browser.js";
import { CharacterLimit } from "../common/characters.js";
import { showActionsOnTap } from "./taps.js";

export class MessageActions {
  #log;
  #page;
  #sent = new Map(); // unanswered frames, by id: `{frame, rollback}`
  #ratings = new Map(); // what rolls a rating back, by the id of its frame
  #switchedBy = null; // the direction and the position of the button that switched to another version

  /**
   * `send(frame)` returns whether there was a connection; `drafts` store what is being edited; `mayAct()` returns
   * whether no run is active; `say(text)` sends a message; `showError(text)` shows an error; `strings` are the page's.
   */
  constructor(log, page) {
    this.#log = log;
    this.#page = page;
    log.addEventListener("click", (event) => this.#click(event));
    showActionsOnTap(log);
    document.addEventListener("keydown", (event) => {
      const isUp = event.key === "ArrowUp" && !event.shiftKey && !event.altKey && !event.ctrlKey && !event.metaKey;
      if (isUp && !event.isComposing && event.target.id === "message" && !event.target.value) {
        this.#editLast(event);
      }
    });
  }

  /** Send unanswered frames again after a reconnect. The server handles each id once. */
  resend() {
    this.#sent.forEach(({ frame }) => this.#page.send(frame));
  }

  /** The frames that are not answered yet. */
  frames() {
    return [...this.#sent.values()].map(({ frame }) => frame);
  }

  /** Nothing will be answered any more. */
  abandon() {
    this.#sent.forEach(({ rollback }) => rollback());
    this.#sent.clear();
  }

  /** Another branch is shown. Restore the focus to the button that switched; return the name of the version. */
  switched() {
    for (const { frame } of this.#sent.values()) {
      if (frame.type === "edit" && this.#log.querySelector(`[data-id="${CSS.escape(frame.id)}"]`)) {
        this.#page.drafts.set(`edit:${frame.message}`, "");
      }
    }
    this.#sent.clear();
    const origin = this.#switchedBy;
    this.#switchedBy = null;
    if (!origin) {
      return "";
    }
    const switchers = [...this.#log.querySelectorAll("[data-versions]")];
    const nearest = switchers.sort((a, b) => distance(a, origin.top) - distance(b, origin.top))[0];
    if (!nearest) {
      return "";
    }
    const sameDirection = nearest.querySelector(`[data-turn="${origin.direction}"]:enabled`);
    (sameDirection ?? nearest.querySelector("button:enabled"))?.focus({ preventScroll: true });
    return nearest.querySelector("[data-version-words]").textContent;
  }

  /** The server rejected a frame. Return whether it was one of these. */
  reject({ id, message }) {
    const rollback = this.#sent.get(id)?.rollback ?? this.#ratings.get(id);
    if (!rollback) {
      return false;
    }
    this.#sent.delete(id);
    this.#ratings.delete(id);
    this.#switchedBy = null;
    rollback();
    this.#page.showError(message);
    return true;
  }

  #click(event) {
    const button = event.target.closest("button");
    const message = button?.closest(".message");
    if (button?.matches("[data-again]")) {
      this.#send({ type: "retry", id: newId(), message: message.dataset.id }, disable(button));
    } else if (button?.matches("[data-retry]")) {
      this.#send({ type: "retry", id: newId() }, disable(button));
    } else if (button?.matches("[data-continue]")) {
      this.#page.say(button.textContent.trim());
    } else if (button?.matches("[data-edit]")) {
      this.#edit(message);
    } else if (button?.matches("[data-branch]")) {
      const { top } = button.getBoundingClientRect();
      if (this.#send({ type: "branch", id: newId(), run: Number(button.dataset.branch) }, () => {})) {
        this.#switchedBy = { direction: button.dataset.turn, top };
      }
    } else if (button?.matches("[data-rate]")) {
      this.#rate(button, message);
    }
  }

  #send(frame, rollback) {
    if (!this.#page.send(frame)) {
      rollback();
      this.#page.showError(this.#page.strings.notSent);
      return false;
    }
    this.#sent.set(frame.id, { frame, rollback });
    return true;
  }

  // --- editing -------------------------------------------------------------------------------------------------------

  #editLast(event) {
    const last = [...this.#log.querySelectorAll(".from-person:has([data-edit])")].at(-1);
    if (last && this.#page.mayAct()) {
      event.preventDefault();
      this.#edit(last);
    }
  }

  #edit(message) {
    if (message.querySelector("form")) {
      return;
    }
    const id = newId(); // the same for every attempt to send it
    const draft = `edit:${message.dataset.id}`;
    const form = clone("edit");
    const field = form.querySelector("textarea");
    field.value = this.#page.drafts.get(draft) || message.querySelector("[data-body]").textContent;
    const close = () => {
      this.#page.drafts.set(draft, "");
      form.remove();
      delete message.dataset.editing;
      message.querySelector("[data-edit]").focus();
    };
    field.addEventListener("input", () => this.#page.drafts.set(draft, field.value));
    this.#bind(form, field, close, () => {
      const text = field.value;
      if (!text.trim()) {
        return;
      }
      const controls = form.querySelectorAll("button, textarea");
      const setSending = (isSending) => {
        controls.forEach((control) => (control.disabled = isSending));
        form.querySelector("[data-sending]").hidden = !isSending;
      };
      setSending(true);
      const rollback = () => {
        setSending(false);
        field.focus();
      };
      this.#send({ type: "edit", id, message: message.dataset.id, text }, rollback); // the draft stays until it arrives
    });
    message.dataset.editing = "";
    message.querySelector("[data-actions]").before(form);
    field.focus();
    field.setSelectionRange(field.value.length, field.value.length);
    form.scrollIntoView({ block: "nearest" }); // with its buttons
  }

  // --- rating --------------------------------------------------------------------------------------------------------

  #rate(button, message) {
    const buttons = [...message.querySelectorAll("[data-rate]")];
    const before = buttons.map((each) => each.getAttribute("aria-pressed"));
    const value = button.getAttribute("aria-pressed") === "true" ? null : button.dataset.rate;
    const rollback = () => buttons.forEach((each, index) => each.setAttribute("aria-pressed", before[index]));
    message.querySelector("form")?.remove();
    buttons.forEach((each) => each.setAttribute("aria-pressed", String(value === each.dataset.rate)));
    if (this.#sendRating(message, value, "", rollback) && value) {
      this.#askForComment(button, message, value, rollback);
    }
  }

  #askForComment(button, message, value, rollback) {
    const form = clone("comment");
    const field = form.querySelector("textarea");
    const close = () => {
      form.remove();
      button.focus();
    };
    this.#bind(form, field, close, () => {
      if (!field.value.trim() || this.#sendRating(message, value, field.value, rollback)) {
        close();
      }
    });
    message.querySelector("[data-actions]").after(form);
    field.focus();
    form.scrollIntoView({ block: "nearest" });
  }

  #sendRating(message, value, text, rollback) {
    const id = newId();
    if (!this.#page.send({ type: "feedback", id, message: message.dataset.id, value, text })) {
      rollback();
      this.#page.showError(this.#page.strings.notSent);
      return false;
    }
    this.#ratings.set(id, rollback);
    return true;
  }

  /** Enter submits, Shift+Enter inserts a line break, Escape closes the form and does not stop the run. */
  #bind(form, field, close, submit) {
    const limit = new CharacterLimit(field, form.querySelector("[data-limit]"), this.#page.strings);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      event.stopPropagation();
      if (!limit.refuses()) {
        submit();
      }
    });
    form.addEventListener("keydown", (event) => {
      if (isComposing(event)) {
        return;
      }
      if (event.key === "Escape") {
        event.stopPropagation();
        close();
      } else if (event.key === "Enter" && event.target === field && !event.shiftKey) {
        event.preventDefault();
        form.requestSubmit();
      }
    });
    form.querySelector("[data-cancel]").addEventListener("click", close);
  }
}

/** Disable a button; return what enables it again. */
function disable(button) {
  button.disabled = true;
  return () => (button.disabled = false);
}

function clone(kind) {
  return document.getElementById(`blank-${kind}`).content.firstElementChild.cloneNode(true);
}

function distance(element, top) {
  return Math.abs(element.getBoundingClientRect().top - top);
}
