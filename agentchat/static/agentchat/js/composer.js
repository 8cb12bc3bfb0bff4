/*
 * Where the person writes, and the buttons beside it.
 *
 * Enter sends, Shift+Enter breaks the line; an Enter that ends an input method's composition does neither. On a phone, where
 * there is no Shift+Enter, Enter breaks the line. A question for a secret is answered in a field that does not show it. What
 * is not sent yet outlives a reload, unless it is a secret. While the agent is busy and nothing is written, Send is Stop.
 */

const COMPLAINT_MS = 15_000;
const NEAR_LIMIT = 0.9;
const isPhone = matchMedia("(hover: none) and (pointer: coarse)");
const DRAFT = "message";

export class Composer {
  #form;
  #drafts;
  #field = {};
  #words;
  #say;
  #complaint = 0;
  #isBusy = false;
  #canStop = false;
  #limitWords = "";

  /**
   * `submit(text)`, `skip()` and `stop()` are what the person asks for, `say(words)` tells them something. `drafts` keep what
   * is not sent yet.
   */
  constructor(form, drafts, words, { submit, skip, stop, say }) {
    this.#form = form;
    this.#drafts = drafts;
    this.#words = words;
    this.#say = say;
    for (const id of ["message", "secret", "send", "stop", "skip", "question", "question-words", "complaint", "limit"]) {
      this.#field[id] = document.getElementById(id);
    }
    const { message, send } = this.#field;
    send.disabled = false;
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#send(submit);
    });
    message.addEventListener("keydown", (event) => this.#key(event));
    message.addEventListener("input", () => this.#changed());
    this.#field.skip.addEventListener("click", skip);
    this.#field.stop.addEventListener("click", stop);
    document.addEventListener("keydown", (event) => {
      // Escape also closes what is open above the page, empties a field, and closes an input method's list.
      const isForField = event.target.matches("input, select, textarea") && !form.contains(event.target);
      const isForOther = isForField || document.querySelector(":is([popover='']:popover-open, dialog[open])");
      if (event.key === "Escape" && !isComposing(event) && !event.defaultPrevented && !isForOther && this.#isBusy) {
        stop();
      }
    });
  }

  /**
   * Send the message that the page came with, if any: a suggestion that was chosen on the page before. Put back what was
   * typed before a reload.
   */
  begin(submit) {
    const { message } = this.#field;
    const { firstId } = message.dataset;
    if (firstId && message.value.trim()) {
      submit(this.#empty(message), firstId);
    }
    message.value ||= this.#drafts.get(DRAFT);
    message.enterKeyHint = isPhone.matches ? "enter" : "send";
    this.#fit();
    this.#showLimit();
    if (window === window.top || document.hasFocus()) {
      this.focus(); // a frame takes it from no field of the page around it
    }
  }

  /** Let the person write on. */
  focus() {
    if (matchMedia("(hover: hover)").matches && !this.#form.hidden) {
      this.#input.focus({ preventScroll: true }); // on a phone it would open the keyboard
    }
  }

  /** The person is here, and writes nothing. */
  get isIdle() {
    return document.activeElement === this.#input && !this.#input.value;
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
      const isHere = [message, secret, document.body].includes(document.activeElement);
      [secret.hidden, secret.disabled, message.hidden] = [!isSecret, !isSecret, isSecret];
      if (isHere) {
        this.#input.focus();
      }
    }
  }

  /** The words were not taken. What is being written meanwhile stays, after them. */
  takeBack(text) {
    const input = this.#input;
    input.value = input.value ? `${text}\n${input.value}` : text;
    this.#changed();
  }

  complain(words) {
    this.#field.complaint.textContent = words;
    clearTimeout(this.#complaint);
    this.#complaint = setTimeout(() => (this.#field.complaint.textContent = ""), COMPLAINT_MS);
  }

  get #input() {
    return this.#field.secret.hidden ? this.#field.message : this.#field.secret;
  }

  #send(submit) {
    const input = this.#input;
    if (this.#tooMany > 0) {
      this.#say(this.#limitWords);
    } else if (input.value.trim()) {
      this.complain("");
      submit(this.#empty(input));
      input.focus();
    }
  }

  #empty(input) {
    const { value } = input;
    input.value = "";
    this.#changed();
    return value;
  }

  #changed() {
    this.#drafts.set(DRAFT, this.#field.message.value);
    this.#fit();
    this.#showButtons();
    this.#showLimit();
  }

  /** Whoever writes while the agent is busy, or a card is open, can send it, or stop the agent. */
  #showButtons() {
    const { send, stop } = this.#field;
    stop.hidden = !this.#canStop;
    send.hidden = this.#isBusy && !this.#input.value;
  }

  /** Characters beyond the limit; less than 0 if there is room. The server counts whole characters. */
  get #tooMany() {
    const { value, dataset } = this.#field.message;
    const most = Number(dataset.max);
    return (value.length > most ? [...value].length : value.length) - most;
  }

  #showLimit() {
    const { limit, message } = this.#field;
    const tooMany = this.#tooMany;
    const isNear = tooMany > -(1 - NEAR_LIMIT) * Number(message.dataset.max);
    const name = tooMany > 0 ? "tooLong" : "left";
    const count = Math.abs(tooMany).toLocaleString(document.documentElement.lang);
    const words = isNear ? this.#words[name].replace("{count}", count) : "";
    if (words && (!this.#limitWords || limit.dataset.is !== name)) {
      this.#say(words); // when it gets near, and when it is reached; not at every key
    }
    this.#limitWords = words;
    [limit.textContent, limit.hidden, limit.dataset.is] = [words, !isNear, name];
  }

  #key(event) {
    if (event.key !== "Enter" || event.shiftKey || isComposing(event)) {
      return;
    }
    if (!isPhone.matches || event.ctrlKey || event.metaKey) {
      event.preventDefault();
      this.#form.requestSubmit();
    }
  }

  /** As high as its lines. Browsers that know `field-sizing` do it themselves. */
  #fit() {
    const { message } = this.#field;
    if (!CSS.supports("field-sizing", "content")) {
      message.style.height = "auto";
      message.style.height = `${message.scrollHeight}px`; // the CSS says how high it may become
    }
  }
}

function isComposing({ isComposing, keyCode }) {
  return isComposing || keyCode === 229; // Safari tells only by the code
}
