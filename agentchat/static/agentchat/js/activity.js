/*
 * What is going on, in words, and for how long: "Running weather_forecast…", "12 s".
 *
 * The seconds are for the eye only, and only when it takes longer than one expects.
 */

const SHOWN_FROM_S = 3;

export class Activity {
  #words;
  #places;
  #elapsed;
  #doing = "";
  #since;
  #timer = 0;

  /** Words go to `places`, seconds to `elapsed`; `since` is when the last thing happened, in ms. */
  constructor(places, elapsed, since, words) {
    this.#places = places;
    this.#elapsed = elapsed;
    this.#since = since;
    this.#words = words;
  }

  /** `work` is the transcript's: `{kind, tools}`. Return the words; nothing if the agent does nothing. */
  show(run, work) {
    const doing = run.isBusy ? this.#wordsOf(run, work) : "";
    if (doing !== this.#doing) {
      // What the page began with goes on since the last fact in it.
      this.#since = this.#doing || !doing || !this.#since ? Date.now() : this.#since;
      this.#doing = doing;
      this.#places.forEach((place) => (place.textContent = doing));
      clearInterval(this.#timer);
      this.#timer = doing ? setInterval(() => this.#count(), 1_000) : 0;
      this.#count();
    }
    return doing;
  }

  #wordsOf({ state, ahead, isStopping }, { kind, tools }) {
    if (isStopping) {
      return this.#words.stopping;
    }
    if (ahead !== null) {
      return ahead ? this.#words.ahead.replace("{ahead}", ahead) : this.#words.next;
    }
    if (state === "queued") {
      return this.#words.queued;
    }
    if (kind === "tools") {
      const [tool, ...others] = tools;
      return others.length
        ? this.#words.runningTools.replace("{count}", tools.length)
        : this.#words.runningTool.replace("{tool}", tool);
    }
    return this.#words[kind];
  }

  #count() {
    const seconds = Math.floor((Date.now() - this.#since) / 1_000);
    const isLong = this.#doing && seconds >= SHOWN_FROM_S;
    const words = isLong ? this.#words.elapsed.replace("{seconds}", seconds) : "";
    this.#elapsed.forEach((place) => (place.textContent = words));
  }
}
