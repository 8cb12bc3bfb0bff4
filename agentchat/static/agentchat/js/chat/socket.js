/*
 * The connection to the server: a websocket that reconnects when it is lost.
 *
 * It sends hello with the number of the last event, acknowledges what it receives, and asks for a sign of life: from
 * time to time, and at once when the user comes back or sends something, since a connection that was cut off silently
 * (by sleep, by a change of networks) looks like one on which nothing happens. Frames that are sent without a
 * connection are not stored here: the outbox resends what has not arrived.
 */

import { stringifyExact } from "../common/exact_json.js";

const ACK_BYTES = 64 * 1024;
const ACK_MS = 1_000;
const PING_MS = 25_000;
const TICK_MS = 5_000;
const PONG_MS = 10_000;
const PROMPT_PONG_MS = 3_000; // for a page that is looked at, on a connection that answers promptly
const MIN_RETRY_MS = 500;
const MAX_RETRY_MS = 30_000;
const STABLE_MS = 5_000; // a connection that lasts this long resets the backoff

const SIGN_IN = 4401;
const NOT_FOUND = 4404;
const TOO_MANY = 4429;
const RESTART = 4012;

const encoder = new TextEncoder();

export class Socket {
  #socket = null;
  #attempts = 0;
  #isOver = false;
  #retryTimer = 0;
  #stableTimer = 0;
  #ackTimer = 0;
  #tickTimer = 0;
  #tickedAt = 0;
  #pingedAt = 0;
  #pongTimer = 0;
  #pongDue = 0;
  #startedAt = 0;
  #openedIn = 0; // ms that the last handshake took: some round trips
  #bytes = 0;
  #acked = 0;

  /**
   * `after()` returns the number of the last event; `html` asks for the HTML of events; `opened()` is called after each
   * hello, `received(frame)` for each frame, `changed({state, retryAt})` when the connection changes: connecting, live,
   * reconnecting, restarting, too-many, offline, signed-out or gone. `mayReturn()` resolves to whether the server would
   * admit the user again.
   */
  constructor(path, { after, html, opened, received, changed, mayReturn }) {
    this.url = new URL(path, location.href);
    this.url.protocol = this.url.protocol === "https:" ? "wss:" : "ws:";
    Object.assign(this, { after, html, opened, received, changed, mayReturn });
    addEventListener("online", () => this.openNow());
    addEventListener("offline", () => this.#lose("offline"));
    addEventListener("pageshow", (event) => event.persisted && this.openNow());
    document.addEventListener("visibilitychange", () => document.hidden || this.openNow());
  }

  open() {
    this.changed({ state: "connecting" });
    this.#connect();
  }

  /** Make sure at once that there is a connection: the user is waiting for it. */
  openNow() {
    if (this.#isOver) {
      this.#reconsider(); // signed in again, or taken back, in another tab
    } else if (this.#retryTimer || !this.#socket || this.#isStuck) {
      this.#drop();
      this.#connect();
    } else {
      this.#probe();
    }
  }

  /** Send a frame if there is a connection; return whether there was. */
  send(frame) {
    if (this.#socket?.readyState !== WebSocket.OPEN) {
      return false;
    }
    if (frame.type !== "ack") {
      this.#probe(); // before the frame: the answer must not wait for a long one
    }
    this.#send(frame);
    return true;
  }

  #send(frame) {
    // Half of an emoji is no text, and would make all of the frame invalid.
    const wellFormed = (_, value) => (typeof value === "string" ? (value.toWellFormed?.() ?? value) : value);
    this.#socket.send(stringifyExact(frame, wellFormed));
  }

  /** It has been connecting for a while, perhaps over a network that is no longer there. */
  get #isStuck() {
    const { readyState } = this.#socket;
    return readyState === WebSocket.CONNECTING && performance.now() - this.#startedAt > PROMPT_PONG_MS;
  }

  #connect() {
    clearTimeout(this.#retryTimer);
    this.#retryTimer = 0;
    this.#bytes = this.#acked = 0;
    const socket = new WebSocket(this.url);
    this.#socket = socket;
    this.#startedAt = performance.now();
    this.#expectWithin(PONG_MS);
    // An old socket may still emit events after a new one was opened.
    const ifCurrent = (listener) => (event) => this.#socket === socket && listener(event);
    socket.addEventListener("open", ifCurrent(() => this.#greet()));
    socket.addEventListener("message", ifCurrent(({ data }) => this.#receive(data)));
    socket.addEventListener("close", ifCurrent(({ code }) => this.#closed(code)));
  }

  #greet() {
    this.#openedIn = performance.now() - this.#startedAt;
    this.#alive();
    this.#send({ type: "hello", after: this.after(), html: this.html });
    this.changed({ state: "live" });
    this.#stableTimer = setTimeout(() => (this.#attempts = 0), STABLE_MS);
    this.#pingedAt = this.#tickedAt = Date.now();
    this.#tickTimer = setInterval(() => this.#tick(), TICK_MS);
    this.opened();
  }

  #receive(data) {
    this.#alive();
    this.#bytes += encoder.encode(data).length;
    if (this.#bytes - this.#acked >= ACK_BYTES) {
      this.#ack();
    } else {
      this.#ackTimer ||= setTimeout(() => this.#ack(), ACK_MS);
    }
    const frame = JSON.parse(data);
    if (frame.type !== "pong") {
      this.received(frame);
    }
  }

  #ack() {
    clearTimeout(this.#ackTimer);
    this.#ackTimer = 0;
    this.#acked = this.#bytes;
    this.send({ type: "ack", seq: this.after(), bytes: this.#bytes });
  }

  // --- signs of life -------------------------------------------------------------------------------------------------

  #tick() {
    const now = Date.now();
    const wasAsleep = now - this.#tickedAt > 2 * TICK_MS && !document.hidden; // hidden pages tick less often
    this.#tickedAt = now;
    if (wasAsleep) {
      this.#probe();
    } else if (now - this.#pingedAt >= PING_MS) {
      this.#ping(PONG_MS);
    }
  }

  /** Ask for a sign of life, and wait only as long as this connection takes for one. */
  #probe() {
    if (this.#socket.readyState === WebSocket.OPEN) {
      this.#ping(Math.min(PONG_MS, Math.max(PROMPT_PONG_MS, 2 * this.#openedIn)));
    }
  }

  #ping(within) {
    this.#pingedAt = Date.now();
    this.#send({ type: "ping" });
    this.#expectWithin(within);
  }

  /** Give the connection up unless something comes; what has been waited for already is not waited for longer. */
  #expectWithin(ms) {
    const due = performance.now() + ms;
    if (!this.#pongTimer || due < this.#pongDue) {
      clearTimeout(this.#pongTimer);
      this.#pongDue = due;
      this.#pongTimer = setTimeout(() => this.#lose("reconnecting"), ms);
    }
  }

  /** Any frame shows that the connection is alive. */
  #alive() {
    clearTimeout(this.#pongTimer);
    this.#pongTimer = 0;
  }

  // --- the end of a connection ---------------------------------------------------------------------------------------

  #closed(code) {
    if (code === SIGN_IN || code === NOT_FOUND) {
      this.#drop();
      this.#isOver = true;
      if (code === SIGN_IN && this.#attempts < 2) {
        this.changed({ state: "reconnecting" });
        this.#reconsider().then((isBack) => isBack || this.changed({ state: "signed-out" }));
      } else {
        this.changed({ state: code === SIGN_IN ? "signed-out" : "gone" });
      }
    } else {
      this.#lose({ [RESTART]: "restarting", [TOO_MANY]: "too-many" }[code] ?? "reconnecting");
    }
  }

  /** Connect again if the server still shows this page to the user. Resolve to whether it does. */
  async #reconsider() {
    this.#attempts += 1; // until a connection is stable: a page that is shown may have no socket all the same
    const isBack = await this.mayReturn();
    if (isBack && this.#isOver) {
      this.#isOver = false;
      this.#connect();
    }
    return isBack;
  }

  #lose(state) {
    if (this.#isOver) {
      return;
    }
    this.#drop();
    if (!navigator.onLine) {
      this.changed({ state: "offline" });
      return; // the browser reports when it is online again
    }
    const wait = this.#wait(state);
    this.#retryTimer = setTimeout(() => this.#connect(), wait);
    this.changed({ state, retryAt: Date.now() + wait });
  }

  /** Exponential backoff with jitter: a restarted server must not get all clients at once. */
  #wait(state) {
    const longest = Math.min(MAX_RETRY_MS, MIN_RETRY_MS * 2 ** this.#attempts);
    this.#attempts += 1;
    const least = state === "too-many" ? MAX_RETRY_MS / 2 : 0;
    return least + longest * (0.5 + Math.random() / 2);
  }

  #drop() {
    const socket = this.#socket;
    this.#socket = null;
    this.#alive();
    clearTimeout(this.#stableTimer);
    clearTimeout(this.#retryTimer);
    clearTimeout(this.#ackTimer);
    clearInterval(this.#tickTimer);
    this.#retryTimer = this.#ackTimer = 0;
    socket?.close();
  }
}
