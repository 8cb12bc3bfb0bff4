/*
 * The connection to the server: one websocket, and another one whenever it is lost.
 *
 * It says hello with the last fact that it has, acknowledges what it receives, and asks for a sign of life. What is sent
 * while there is no connection is not kept here: the outbox sends again what has not arrived.
 */

const ACK_BYTES = 64 * 1024;
const ACK_MS = 1_000;
const PING_MS = 25_000;
const PONG_MS = 10_000;
const SHORTEST_MS = 500;
const LONGEST_MS = 30_000;
const SETTLED_MS = 5_000; // a connection that lasts so long was a good one

const SIGN_IN = 4401;
const NOT_FOUND = 4404;
const TOO_MANY = 4429;
const RESTART = 4012;

const encoder = new TextEncoder();

export class Socket {
  #socket = null;
  #tries = 0;
  #isOver = false;
  #retry = 0;
  #settled = 0;
  #ackTimer = 0;
  #pingTimer = 0;
  #pongTimer = 0;
  #bytes = 0;
  #acked = 0;

  /**
   * `after()` gives the number of the last fact; `opened()` is called after each hello, `received(frame)` for each frame,
   * `changed({state, retryAt})` when the connection changes: connecting, live, reconnecting, restarting, too-many,
   * offline, signed-out or gone.
   */
  constructor(path, { after, opened, received, changed }) {
    this.url = new URL(path, location.href);
    this.url.protocol = this.url.protocol === "https:" ? "wss:" : "ws:";
    Object.assign(this, { after, opened, received, changed });
    addEventListener("online", () => this.#openNow());
    addEventListener("offline", () => this.#lose("offline"));
    addEventListener("pageshow", (event) => event.persisted && this.#openNow());
    document.addEventListener("visibilitychange", () => document.hidden || this.#openNow());
  }

  open() {
    this.changed({ state: "connecting" });
    this.#connect();
  }

  /** Send a frame if there is a connection; return whether there was. */
  send(frame) {
    if (this.#socket?.readyState !== WebSocket.OPEN) {
      return false;
    }
    this.#socket.send(JSON.stringify(frame));
    return true;
  }

  #connect() {
    clearTimeout(this.#retry);
    this.#retry = 0;
    this.#bytes = this.#acked = 0;
    const socket = new WebSocket(this.url);
    this.#socket = socket;
    this.#pongTimer = setTimeout(() => this.#lose("reconnecting"), PONG_MS);
    // An old socket may still have something to say after a new one was opened.
    const ifCurrent = (listen) => (event) => this.#socket === socket && listen(event);
    socket.addEventListener("open", ifCurrent(() => this.#greet()));
    socket.addEventListener("message", ifCurrent(({ data }) => this.#receive(data)));
    socket.addEventListener("close", ifCurrent(({ code }) => this.#closed(code)));
  }

  #greet() {
    clearTimeout(this.#pongTimer);
    this.send({ type: "hello", after: this.after() });
    this.changed({ state: "live" });
    this.#settled = setTimeout(() => (this.#tries = 0), SETTLED_MS);
    this.#pingTimer = setInterval(() => this.#ping(), PING_MS);
    this.opened();
  }

  #receive(data) {
    clearTimeout(this.#pongTimer); // whatever it is, it is a sign of life
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

  #ping() {
    this.send({ type: "ping" });
    clearTimeout(this.#pongTimer);
    this.#pongTimer = setTimeout(() => this.#lose("reconnecting"), PONG_MS);
  }

  #closed(code) {
    if (code === SIGN_IN || code === NOT_FOUND) {
      this.#isOver = true;
      this.#drop();
      this.changed({ state: code === SIGN_IN ? "signed-out" : "gone" });
    } else {
      this.#lose({ [RESTART]: "restarting", [TOO_MANY]: "too-many" }[code] ?? "reconnecting");
    }
  }

  #lose(state) {
    if (this.#isOver) {
      return;
    }
    this.#drop();
    if (!navigator.onLine) {
      this.changed({ state: "offline" });
      return; // the browser says when it is back
    }
    const wait = this.#wait(state);
    this.#retry = setTimeout(() => this.#connect(), wait);
    this.changed({ state, retryAt: Date.now() + wait });
  }

  /** Longer from try to try, and never the same for all: a server that comes back must not be run over. */
  #wait(state) {
    const longest = Math.min(LONGEST_MS, SHORTEST_MS * 2 ** this.#tries);
    this.#tries += 1;
    const least = state === "too-many" ? LONGEST_MS / 2 : 0;
    return least + longest * (0.5 + Math.random() / 2);
  }

  #openNow() {
    if (!this.#isOver && (this.#retry || !this.#socket)) {
      this.#connect();
    }
  }

  #drop() {
    const socket = this.#socket;
    this.#socket = null;
    clearTimeout(this.#settled);
    clearTimeout(this.#retry);
    clearTimeout(this.#ackTimer);
    clearTimeout(this.#pongTimer);
    clearInterval(this.#pingTimer);
    this.#retry = this.#ackTimer = 0;
    socket?.close();
  }
}
