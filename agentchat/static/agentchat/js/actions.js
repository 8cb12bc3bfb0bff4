/*
 * What a person does about a message: have it written again, edit their own words, look at another version, rate it.
 *
 * The buttons are in the page, at each message. The server answers with facts, which turning.js shows; what it does not
 * take comes back here.
 */

import { newId } from "./ids.js";

export class Actions {
  #log;
  #page;
  #sent = new Map(); // what nobody has answered yet, by id: its frame, and what takes it back
  #rated = new Map(); // what takes a rating back, by the id of its frame
  #turnedBy = null; // the way and the place of the button that turned to another version

  /**
   * `send(frame)` returns whether there was a connection; `drafts` keep what is being edited; `mayAct()` says whether no
   * agent is at work; `complain(words)` shows what went wrong, `left()` gives the focus away, `words` are the page's.
   */
  constructor(log, page) {
    this.#log = log;
    this.#page = page;
    log.addEventListener("click", (event) => this.#click(event));
    document.addEventListener("keydown", (event) => {
      const isUp = event.key === "ArrowUp" && !event.shiftKey && !event.altKey && !event.ctrlKey && !event.metaKey;
      if (isUp && !event.isComposing && event.target.id === "message" && !event.target.value) {
        this.#editLast(event);
      }
    });
  }

  /** There is a connection again: what nobody has answered is asked again. The server counts an id once. */
  sendAgain() {
    this.#sent.forEach(({ frame }) => this.#page.send(frame));
  }

  /** The transcript of another branch is here. Whoever turned to it by a button finds the focus there. */
  turned() {
    this.#sent.clear();
    const turn = this.#turnedBy;
    this.#turnedBy = null;
    if (!turn) {
      return "";
    }
    const switches = [...this.#log.querySelectorAll("[data-versions]")];
    const nearest = switches.sort((a, b) => distance(a, turn.top) - distance(b, turn.top))[0];
    if (!nearest) {
      return "";
    }
    const button = nearest.querySelector(`[data-turn="${turn.way}"]:enabled`) ?? nearest.querySelector("button:enabled");
    button?.focus({ preventScroll: true });
    return nearest.querySelector("[data-version-words]").textContent;
  }

  /** The server did not take it. Return whether it was sent from here. */
  refuse({ id, message }) {
    const takeBack = this.#sent.get(id)?.takeBack ?? this.#rated.get(id);
    if (!takeBack) {
      return false;
    }
    this.#sent.delete(id);
    this.#rated.delete(id);
    this.#turnedBy = null;
    takeBack();
    this.#page.complain(message);
    return true;
  }

  #click(event) {
    const button = event.target.closest("button");
    const message = button?.closest(".message");
    if (button?.matches("[data-again]")) {
      this.#send({ type: "retry", id: newId(), message: message.dataset.id }, disable(button));
    } else if (button?.matches("[data-retry]")) {
      this.#send({ type: "retry", id: newId() }, disable(button));
    } else if (button?.matches("[data-edit]")) {
      this.#edit(message);
    } else if (button?.matches("[data-branch]")) {
      const { top } = button.getBoundingClientRect();
      if (this.#send({ type: "branch", id: newId(), run: Number(button.dataset.branch) }, () => {})) {
        this.#turnedBy = { way: button.dataset.turn, top };
      }
    } else if (button?.matches("[data-rate]")) {
      this.#rate(button, message);
    }
  }

  #send(frame, takeBack) {
    if (!this.#page.send(frame)) {
      takeBack();
      this.#page.complain(this.#page.words.notSent);
      return false;
    }
    this.#sent.set(frame.id, { frame, takeBack });
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
    const id = newId(); // however often it is sent
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
    this.#open(form, field, close, () => {
      const text = field.value;
      if (!text.trim()) {
        return;
      }
      const setDisabled = (isDisabled) => form.querySelectorAll("button, textarea").forEach((each) => (each.disabled = isDisabled));
      setDisabled(true);
      const takeBack = () => {
        setDisabled(false);
        field.focus();
      };
      if (this.#send({ type: "edit", id, message: message.dataset.id, text }, takeBack)) {
        this.#page.drafts.set(draft, "");
      }
    });
    message.dataset.editing = "";
    message.querySelector("[data-actions]").before(form);
    field.focus();
    field.setSelectionRange(field.value.length, field.value.length);
  }

  // --- rating --------------------------------------------------------------------------------------------------------

  #rate(button, message) {
    const buttons = [...message.querySelectorAll("[data-rate]")];
    const before = buttons.map((each) => each.getAttribute("aria-pressed"));
    const value = button.getAttribute("aria-pressed") === "true" ? null : button.dataset.rate;
    const takeBack = () => buttons.forEach((each, index) => each.setAttribute("aria-pressed", before[index]));
    message.querySelector("form")?.remove();
    buttons.forEach((each) => each.setAttribute("aria-pressed", String(value === each.dataset.rate)));
    if (this.#tell(message, value, "", takeBack) && value) {
      this.#askForComment(button, message, value, takeBack);
    }
  }

  #askForComment(button, message, value, takeBack) {
    const form = clone("comment");
    const field = form.querySelector("textarea");
    const close = () => {
      form.remove();
      button.focus();
    };
    this.#open(form, field, close, () => {
      if (!field.value.trim() || this.#tell(message, value, field.value, takeBack)) {
        close();
      }
    });
    message.querySelector("[data-actions]").after(form);
    field.focus();
  }

  #tell(message, value, text, takeBack) {
    const id = newId();
    if (!this.#page.send({ type: "feedback", id, message: message.dataset.id, value, text })) {
      takeBack();
      this.#page.complain(this.#page.words.notSent);
      return false;
    }
    this.#rated.set(id, takeBack);
    return true;
  }

  /** Enter submits, Shift+Enter breaks the line, Escape closes: and does not stop the run. */
  #open(form, field, close, submit) {
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      event.stopPropagation();
      submit();
    });
    form.addEventListener("keydown", (event) => {
      const isComposing = event.isComposing || event.keyCode === 229; // Safari tells only by the code
      if (event.key === "Escape" && !isComposing) {
        event.stopPropagation();
        close();
      } else if (event.key === "Enter" && event.target === field && !event.shiftKey && !isComposing) {
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
