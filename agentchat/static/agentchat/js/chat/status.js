/*
 * What the page says of the connection and the run: the status line, what the agent is doing, and the banner for what
 * keeps the chat from going on.
 *
 * The line is the only polite live region of the chat, so it changes with events, not every second, and never faster
 * than a screen reader can follow. While all is well, it need not be seen. Counters next to it are hidden from screen
 * readers.
 */

const MIN_SHOWN_MS = 1_000;
const ANNOUNCED_MS = 4_000;
const SHOWN_AFTER_SECONDS = 3; // counted only when it takes a while
const BRIEF_MS = 2_000; // a connection that comes back at once is not worth a banner
const TRANSIENT = ["reconnecting", "restarting", "too-many"];
const FINAL = ["signed-out", "gone"];

export class Status {
  #label;
  #strings;
  #connection = { state: "connecting" };
  #state = "idle";
  #activity = "";
  #announcement;
  #announceTimer = 0;
  #showTimer = 0;
  #shownAt = 0;

  /** `announcement` is the element for what is announced but not shown. */
  constructor(label, announcement, strings) {
    this.#label = label;
    this.#announcement = announcement;
    this.#strings = strings;
  }

  showConnection(connection) {
    this.#connection = connection;
    this.#show();
  }

  /** `activity` describes what the agent is doing; empty while no run works. */
  showRun({ state, hasQuestion }, activity) {
    this.#state = state === "waiting" && !hasQuestion ? "idle" : state;
    this.#activity = activity;
    this.#show();
  }

  /** Have screen readers announce what is shown elsewhere. */
  announce(text) {
    this.#announcement.textContent = text;
    clearTimeout(this.#announceTimer);
    this.#announceTimer = setTimeout(() => (this.#announcement.textContent = ""), ANNOUNCED_MS);
  }

  #show() {
    const { state } = this.#connection;
    const isLive = state === "live";
    const hasRun = isLive && this.#state !== "idle";
    const text = hasRun ? this.#activity || this.#strings[this.#state] : this.#strings[toCamelCase(state)];
    const line = this.#label.closest(".status");
    line.dataset.connection = isLive ? "live" : "lost";
    line.toggleAttribute("data-quiet", !hasRun);
    clearTimeout(this.#showTimer);
    const wait = isLive && this.#activity ? this.#shownAt + MIN_SHOWN_MS - Date.now() : 0;
    if (wait > 0) {
      this.#showTimer = setTimeout(() => this.#show(), wait);
    } else if (this.#label.textContent !== text) {
      this.#label.textContent = text;
      this.#shownAt = this.#activity ? Date.now() : 0;
    }
  }
}

/** What the agent is doing, and for how long: "Running weather_forecast…", "12 s". */
export class Activity {
  #strings;
  #labels;
  #counters;
  #text = "";
  #since;
  #timer = 0;

  /** `labels` show the text, `counters` the seconds; `since` is the time of the latest event, in ms. */
  constructor(labels, counters, since, strings) {
    this.#labels = labels;
    this.#counters = counters;
    this.#since = since;
    this.#strings = strings;
  }

  /** Show the activity; `work` is the transcript's `{kind, tools}`. Return the text; empty while no run works. */
  show(run, work) {
    const text = run.isBusy ? this.#describe(run, work) : "";
    if (text !== this.#text) {
      // What was going on when the page loaded has been going on since the latest event.
      this.#since = this.#text || !text || !this.#since ? Date.now() : this.#since;
      this.#text = text;
      this.#labels.forEach((label) => (label.textContent = text));
      clearInterval(this.#timer);
      this.#timer = text ? setInterval(() => this.#count(), 1_000) : 0;
      this.#count();
    }
    return text;
  }

  #describe({ state, ahead, isStopping }, { kind, tools }) {
    if (isStopping) {
      return this.#strings.stopping;
    }
    if (ahead !== null) {
      return ahead ? this.#strings.ahead.replace("{ahead}", ahead) : this.#strings.next;
    }
    if (state === "queued") {
      return this.#strings.queued;
    }
    if (kind === "tools") {
      const [tool, ...others] = tools;
      return others.length
        ? this.#strings.runningTools.replace("{count}", tools.length)
        : this.#strings.runningTool.replace("{tool}", tool);
    }
    return this.#strings[kind];
  }

  #count() {
    const seconds = Math.floor((Date.now() - this.#since) / 1_000);
    const isLong = this.#text && seconds >= SHOWN_AFTER_SECONDS;
    const counter = isLong ? this.#strings.elapsed.replace("{seconds}", seconds) : "";
    this.#counters.forEach((element) => (element.textContent = counter));
  }
}

/** The banner for no connection, signed out, deleted; with the way out as a button. The status line announces it. */
export class TroubleBanner {
  #banner;
  #words;
  #countdown;
  #strings;
  #countdownTimer = 0;
  #briefTimer = 0;

  /** `retry()` is called by its button; `strings` are the page's. */
  constructor(banner, strings, retry) {
    this.#banner = banner;
    this.#words = banner.querySelector("[data-words]");
    this.#countdown = banner.querySelector("#countdown");
    this.#strings = strings;
    banner.querySelector("button").addEventListener("click", retry);
  }

  /** Show what is wrong with the connection; nothing, if it is live or only opening. */
  show({ state, retryAt }) {
    clearInterval(this.#countdownTimer);
    this.#showCountdown(retryAt);
    if (TRANSIENT.includes(state)) {
      this.#briefTimer ||= setTimeout(() => (this.#banner.hidden = false), BRIEF_MS);
    } else {
      clearTimeout(this.#briefTimer);
      this.#briefTimer = 0;
      this.#banner.hidden = ["connecting", "live"].includes(state);
    }
    if (state === "live" || state === "connecting") {
      return;
    }
    this.#banner.dataset.trouble = FINAL.includes(state) ? state : "connection";
    this.#words.textContent = this.#strings[toCamelCase(state)];
    if (retryAt) {
      this.#countdownTimer = setInterval(() => this.#showCountdown(retryAt), 1_000);
    }
  }

  #showCountdown(retryAt) {
    const seconds = Math.max(1, Math.ceil((retryAt - Date.now()) / 1_000));
    this.#countdown.textContent = retryAt ? this.#strings.countdown.replace("{seconds}", seconds) : "";
  }
}

function toCamelCase(text) {
  return text.replace(/-(\w)/g, (_, letter) => letter.toUpperCase());
}
