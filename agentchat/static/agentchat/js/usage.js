/*
 * What the models used since the person was heard last: tokens, cost and time, for those who may see it. The same rules as
 * `agentchat/spent.py`. Whoever may not see it gets no numbers from the server.
 */

import { seconds, whole } from "./numbers.js";

const dollars = new Intl.NumberFormat("en", { minimumFractionDigits: 2, maximumFractionDigits: 4 });

export class Usage {
  #spent; // `{tokens, cost, ms, since}`: cost is null if it is not known, since is null while nobody works

  /** `spent` is what the page began with. */
  constructor(spent) {
    this.begin(spent);
  }

  /** Go on with what the server counted. */
  begin(spent) {
    this.#spent = spent;
  }

  /** Take a frame; return the words for a line, if one is due. */
  take(frame) {
    const at = Date.parse(frame.at);
    const spent = this.#spent;
    switch (frame.type) {
      case "RUN_STARTED":
        this.#restart(at);
        return null;
      case "USAGE":
        if (frame.promptTokens !== undefined) {
          spent.tokens += frame.promptTokens + frame.completionTokens;
          spent.cost = spent.cost === null || frame.cost === undefined ? null : spent.cost + frame.cost;
        }
        return null;
      case "INPUT_ANSWERED":
        spent.since ??= at;
        return null;
      case "INPUT_REQUESTED":
        this.#pause(at);
        return frame.kind === "text" ? this.#line() : null;
      case "RUN_FINISHED":
      case "RUN_ERROR":
        this.#pause(at);
        return this.#line();
      default:
        return null;
    }
  }

  #restart(since) {
    this.#spent = { tokens: 0, cost: 0, ms: 0, since };
  }

  #pause(at) {
    const spent = this.#spent;
    spent.ms += spent.since === null ? 0 : at - spent.since;
    spent.since = null;
  }

  #line() {
    const { tokens, cost, ms } = this.#spent;
    this.#restart(null);
    const known = cost ? dollars.format(cost) : "";
    return tokens ? { tokens: whole(tokens), cost: known, seconds: seconds(ms) } : null;
  }
}
