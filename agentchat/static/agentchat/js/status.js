/*
 * The connection and the run, in words that are in the page.
 *
 * It is a polite live region: it changes when something has changed, not every second. The countdown beside it is for the
 * eye only.
 */

export class Status {
  #place;
  #countdown;
  #words;
  #connection = { state: "connecting" };
  #run = { state: "idle", ahead: null };
  #timer = 0;

  constructor(place, countdown, words) {
    this.#place = place;
    this.#countdown = countdown;
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

  showRun({ state, ahead }) {
    this.#run = { state, ahead };
    this.#show();
  }

  #show() {
    const { state } = this.#connection;
    const isLive = state === "live";
    const words = isLive && this.#run.state !== "idle" ? this.#wordsOfRun() : this.#words[camel(state)];
    this.#place.closest(".status").dataset.connection = isLive ? "live" : "lost";
    if (this.#place.textContent !== words) {
      this.#place.textContent = words;
    }
  }

  #wordsOfRun() {
    const { state, ahead } = this.#run;
    if (ahead === null) {
      return this.#words[state];
    }
    return ahead ? this.#words.ahead.replace("{ahead}", ahead) : this.#words.next;
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
