/*
 * The connection and the run, in words that are in the page.
 *
 * It is a polite live region, and the only one: it changes when something has changed, not every second, and not more often
 * than one can listen. Numbers that tick are beside it, for the eye only.
 */

const LISTEN_MS = 1_000;
const SAID_MS = 4_000;

export class Status {
  #place;
  #countdown;
  #words;
  #connection = { state: "connecting" };
  #state = "idle";
  #doing = "";
  #timer = 0;
  #said;
  #sayTimer = 0;
  #showTimer = 0;
  #shownAt = 0;

  /** `said` is for what is announced and not shown. */
  constructor(place, countdown, said, words) {
    this.#place = place;
    this.#countdown = countdown;
    this.#said = said;
    this.#words = words;
  }

  showConnection(connection) {
    this.#connection = connection;
    this.#show();
    clearInterval(this.#timer);
    this.#count();
    if (connection.retryAt) {
      this.#timer = setInterval(() => this.#count(), 1_000);
    }
  }

  /** `doing` says what is going on, if something is. */
  showRun({ state, asks }, doing) {
    this.#state = state === "waiting" && !asks ? "idle" : state;
    this.#doing = doing;
    this.#show();
  }

  /** Tell a screen reader what the eye sees elsewhere. */
  say(words) {
    this.#said.textContent = words;
    clearTimeout(this.#sayTimer);
    this.#sayTimer = setTimeout(() => (this.#said.textContent = ""), SAID_MS);
  }

  #show() {
    const { state } = this.#connection;
    const isLive = state === "live";
    const words = isLive && this.#state !== "idle" ? this.#doing || this.#words[this.#state] : this.#words[camel(state)];
    this.#place.closest(".status").dataset.connection = isLive ? "live" : "lost";
    clearTimeout(this.#showTimer);
    const wait = isLive && this.#doing ? this.#shownAt + LISTEN_MS - Date.now() : 0;
    if (wait > 0) {
      this.#showTimer = setTimeout(() => this.#show(), wait);
    } else if (this.#place.textContent !== words) {
      this.#place.textContent = words;
      this.#shownAt = this.#doing ? Date.now() : 0;
    }
  }

  #count() {
    const { retryAt } = this.#connection;
    const seconds = Math.max(1, Math.ceil((retryAt - Date.now()) / 1_000));
    this.#countdown.textContent = retryAt ? this.#words.countdown.replace("{seconds}", seconds) : "";
  }
}

function camel(words) {
  return words.replace(/-(\w)/g, (_, letter) => letter.toUpperCase());
}
