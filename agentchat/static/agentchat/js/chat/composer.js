/*
 * The composer: the message field and its buttons.
 *
 * Enter sends, Shift+Enter inserts a line break; an Enter that ends an input method's composition does neither. On a
 * phone, which has no Shift+Enter, Enter inserts a line break. A secret is entered in a password field. Unsent input
 * survives a reload, unless it is a secret. While the agent is busy and the field is empty, Stop replaces Send.
 */

import { isComposing, isSendKey, setEnterHint } from "../common/browser.js";
import { CharacterLimit } from "../common/characters.js";

const ERROR_MS = 15_000;
const DRAFT = "message";

export class Composer {
  #form;
  #drafts;
  #field = {};
  #limit;
  #errorTimer = 0;
  #isBusy = false;
  #canStop = false;
  #isOpen; // the agent is open to the user
  #isClosed = false;

  /**
   * `submit(text, files)`, `skip()` and `stop()` are the user's actions; `announce(text)` is for screen readers; `drafts`
   * store unsent input.
   */
  constructor(form, drafts, strings, { submit, skip, stop, announce }) {
    this.#form = form;
    this.#isOpen = !form.hidden;
    this.#drafts = drafts;
    const ids = ["message", "secret", "send", "stop", "skip", "question", "question-words", "complaint", "limit"];
    for (const id of ids) {
      this.#field[id] = document.getElementById(id);
    }
    const { message, send } = this.#field;
    this.#limit = new CharacterLimit(message, this.#field.limit, strings, announce);
    send.disabled = false;
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#send(submit);
    });
    message.addEventListener("keydown", (event) => this.#sendOnEnter(event));
    message.addEventListener("input", () => this.#update());
    this.#field.skip.addEventListener("click", skip);
    this.#field.stop.addEventListener("click", stop);
    document.addEventListener("keydown", (event) => {
      // Escape also closes popovers and dialogs, clears a search field, and closes an input method's list.
      const isForField = event.target.matches("input, select, textarea") && !form.contains(event.target);
      const isForOthers = isForField || document.querySelector(":is([popover='']:popover-open, dialog[open])");
      if (event.key === "Escape" && !isComposing(event) && !event.defaultPrevented && !isForOthers && this.#isBusy) {
        stop();
      }
    });
  }

  /** Restore the draft, and take the focus. */
  begin() {
    const { message } = this.#field;
    message.value ||= this.#drafts.get(DRAFT);
    setEnterHint(message);
    this.#fitHeight();
    this.#limit.show();
    if (window === window.top || document.hasFocus()) {
      this.focus(); // an iframe must not take the focus from the page around it
    }
  }

  /** Focus the message field. */
  focus() {
    if (matchMedia("(hover: hover)").matches && !this.#form.hidden) {
      this.#input.focus({ preventScroll: true }); // not on a phone, where that opens the keyboard
    }
  }

  /** The field has the focus and is empty. */
  get isIdle() {
    return document.activeElement === this.#input && !this.#input.value;
  }

  /** Take nothing while nothing can be delivered. What is in the field can still be copied. */
  close(isClosed) {
    const { message, secret, send } = this.#field;
    this.#isClosed = message.readOnly = secret.readOnly = send.disabled = isClosed;
    this.#form.hidden = !this.#isOpen || (isClosed && !message.value);
  }

  showRun(run) {
    const { question, message, secret } = this.#field;
    const prompt = run.request?.prompt ?? "";
    const hadFocus = document.activeElement === this.#field.stop;
    this.#isBusy = run.isBusy;
    this.#canStop = run.canStop;
    this.#showButtons();
    if (hadFocus && this.#field.stop.hidden) {
      this.#input.focus({ preventScroll: true });
    }
    this.#field["question-words"].textContent = prompt;
    question.hidden = !prompt.trim();
    const isSecret = Boolean(run.request?.isPassword);
    if (secret.hidden === isSecret) {
      const hasFocus = [message, secret, document.body].includes(document.activeElement);
      message.hidden = isSecret;
      secret.hidden = secret.disabled = !isSecret;
      if (hasFocus) {
        this.#input.focus();
      }
    }
  }

  /** Put a rejected message back, before what has been typed since. */
  restore({ text, files }) {
    const input = this.#input;
    this.#form.restoreFiles?.(files);
    input.value = input.value ? `${text}\n${input.value}` : text;
    this.#update();
  }

  showError(text) {
    this.#field.complaint.textContent = text;
    clearTimeout(this.#errorTimer);
    this.#errorTimer = setTimeout(() => (this.#field.complaint.textContent = ""), ERROR_MS);
  }

  get #input() {
    return this.#field.secret.hidden ? this.#field.message : this.#field.secret;
  }

  #send(submit) {
    const input = this.#input;
    if (this.#isClosed || (input === this.#field.message && this.#limit.refuses())) {
      return;
    }
    const files = this.#form.takeFiles?.(); // js/uploads/ sets it
    if (input.value.trim() || files) {
      const { value } = input;
      input.value = "";
      this.#update();
      this.showError("");
      submit(value, files);
      input.focus();
    }
  }

  #update() {
    this.#drafts.set(DRAFT, this.#field.message.value);
    this.#fitHeight();
    this.#showButtons();
    this.#limit.show();
  }

  /** A user who types while the agent is busy, or while a card is open, can send the message or stop the agent. */
  #showButtons() {
    const { send, stop } = this.#field;
    stop.hidden = !this.#canStop;
    send.hidden = this.#isBusy && !this.#input.value;
  }

  #sendOnEnter(event) {
    if (isSendKey(event)) {
      event.preventDefault();
      this.#form.requestSubmit();
    }
  }

  /** Fit the field's height to its lines, in browsers without `field-sizing`. */
  #fitHeight() {
    const { message } = this.#field;
    if (!CSS.supports("field-sizing", "content")) {
      message.style.height = "auto";
      message.style.height = `${message.scrollHeight}px`; // the CSS limits it
    }
  }
}
