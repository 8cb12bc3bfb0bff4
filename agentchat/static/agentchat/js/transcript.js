/*
 * Frames become what a person reads: messages, tool calls, prints, questions, errors.
 *
 * The elements are clones of the page's <template>s, which are the markup of the history; what the server rendered is
 * found by its ids and goes on here. The same rules as `agentchat/transcript.py`. Nothing but the server's cleaned HTML of
 * a message is ever put in as HTML.
 */

import { argumentsOf, asks, fillCard, showAnswer } from "./cards.js";
import { fold } from "./fold.js";
import { findIn } from "./make.js";
import { Nested } from "./nested.js";
import { seconds } from "./numbers.js";
import { letterOf, paletteOf } from "./palettes.js";
import { showRows } from "./readable.js";
import { showTimes } from "./times.js";
import { saysNothing, Writing } from "./writing.js";

const UNFINISHED = [
  ...["asked", "held", "running"].map((state) => `.tool[data-state="${state}"]`),
  '.tool[data-state="refused"]:has([data-result]:empty)',
].join();

export class Transcript {
  #log;
  #pending;
  #words;
  #writing = new Map(); // the messages being written, by id
  #grown = new Set();
  #calls = []; // the tool calls without a result
  #nested;

  /** `words` are those of the page. */
  constructor(log, pending, words) {
    this.#log = log;
    this.#pending = pending;
    this.#words = words;
    this.begin();
  }

  /** Go on with what the server rendered: at first, and when it has rendered another branch. */
  begin() {
    this.#writing.clear();
    this.#grown.clear();
    this.#calls = [];
    this.#nested ??= new Nested(this.#log);
    this.#nested.begin();
    this.adopt([this.#log]);
  }

  /** What goes on in these elements, which are older, goes on here too. */
  adopt(elements) {
    this.#calls.unshift(...findIn(elements, UNFINISHED));
    findIn(elements, ".message[data-writing]").forEach((message) => this.#begin(message));
  }

  /** Something in it moves, so the page need not say that the agent is working. */
  get isBusy() {
    return this.#calls.length > 0 || [...this.#writing.values()].some((writing) => writing.text);
  }

  /** What the agent does, as far as one can see it: `kind` is the name of its words. */
  get work() {
    const running = this.#calls.filter((call) => call.dataset.state === "running");
    if (running.length) {
      return { kind: "tools", tools: running.map((call) => call.querySelector("[data-tool]").textContent) };
    }
    const writing = [...this.#writing.values()];
    return { kind: writing.some(({ text }) => text) ? "running" : writing.length ? "asking" : "working" };
  }

  take(frame) {
    this.#kinds[frame.type]?.(frame);
  }

  /** Show what has been written since the last picture. */
  paint() {
    this.#grown.forEach((writing) => writing.paint());
    this.#grown.clear();
    this.#log.setAttribute("aria-busy", String(this.#writing.size > 0)); // read aloud when it is complete
  }

  // --- what the person sends -----------------------------------------------------------------------------------------

  addPending(id, text) {
    if (this.#message(id) || !text.trim()) {
      return;
    }
    const message = this.#clone("person");
    message.dataset.id = id;
    this.#body(message).textContent = text;
    fold(this.#body(message));
    this.#pending.append(message);
  }

  /** Whether what the person sent has arrived: their message is here, or the question is answered. */
  shows({ type, id, request }) {
    const arrived = CSS.escape(type === "send" ? id : request);
    const element = this.#log.querySelector(`:is(.message, .request, .card)[data-id="${arrived}"]`);
    return Boolean(element) && !element.matches('.request[data-open], .card[data-state="open"]');
  }

  removePending(id) {
    this.#pending.querySelector(`[data-id="${CSS.escape(id)}"]`)?.remove();
  }

  isFromPerson(id) {
    return Boolean(this.#message(id)?.matches(".from-person"));
  }

  // --- frames --------------------------------------------------------------------------------------------------------

  #kinds = {
    TEXT_MESSAGE_START: (frame) => {
      const isPersons = frame.role === "user";
      const sent = isPersons && this.#pending.querySelector(`[data-id="${CSS.escape(frame.messageId)}"]`);
      const message = sent || this.#clone(isPersons ? "person" : "agent");
      message.dataset.id = frame.messageId;
      message.querySelector("[data-name]").textContent = frame.name;
      // What the person says unasked is not said in a nested chat, and must not be folded away with it.
      const isUnasked = isPersons && !this.#log.querySelector(".request[data-open]");
      this.#add(message, frame, isUnasked ? this.#log : this.#nested.place);
      if (!isPersons) {
        message.querySelector("header").classList.add(paletteOf(frame.name));
        message.querySelector("[data-letter]").textContent = letterOf(frame.name);
        message.dataset.writing = "";
        this.#begin(message);
      }
    },

    TEXT_MESSAGE_CONTENT: (frame) => {
      const writing = this.#writing.get(frame.messageId);
      if (writing?.write(frame)) {
        this.#grown.add(writing);
      }
    },

    BLOCK: (frame) => {
      const writing = this.#writing.get(frame.messageId);
      if (writing?.addBlock(frame)) {
        this.#grown.add(writing);
      }
    },

    TEXT_MESSAGE_END: (frame) => {
      const message = this.#message(frame.messageId);
      const writing = this.#writing.get(frame.messageId);
      this.#grown.delete(writing);
      this.#writing.delete(frame.messageId);
      if (!message) {
        return;
      }
      delete message.dataset.writing;
      message.id = `message-${frame.seq}`;
      if (saysNothing(frame.content)) {
        this.#nested.remove(message);
        return;
      }
      const versions = this.#log.querySelector("[data-loose]");
      if (versions) {
        delete versions.dataset.loose;
        message.querySelector("[data-actions]")?.prepend(versions);
      }
      if (message.matches(".from-person")) {
        this.#body(message).textContent = frame.content;
        fold(this.#body(message));
      } else {
        message.dataset.source = frame.content;
        (writing ?? new Writing(this.#body(message))).finish(frame.html);
        message.querySelector("[data-stopped]").hidden = !frame.stopped;
      }
    },

    TOOL_CALL_START: (frame) => {
      const call = this.#clone("tool");
      call.dataset.id = frame.toolCallId;
      call.querySelector("[data-tool]").textContent = frame.toolCallName;
      call.querySelector("[data-agent]").textContent = frame.name;
      this.#calls.push(call);
      this.#add(call, frame);
    },

    TOOL_CALL_ARGS: (frame) => {
      for (const args of this.#openCall(frame.toolCallId)?.querySelectorAll("[data-args]") ?? []) {
        args.append(frame.args);
      }
    },

    TOOL_CALL_END: (frame) => {
      const call = this.#openCall(frame.toolCallId);
      if (call) {
        call.dataset.state = "running";
        showRows(call.querySelector("[data-rows]"), argumentsOf(call) ?? {}, {}, this.#words);
      }
    },

    TOOL_CALL_RESULT: (frame) => {
      const call = this.#openCall(frame.toolCallId);
      if (!call) {
        return;
      }
      this.#calls.splice(this.#calls.indexOf(call), 1);
      const result = call.querySelector("[data-result]");
      result.textContent = frame.content;
      fold(result);
      if (call.dataset.state === "refused") {
        return; // it was not made
      }
      call.dataset.state = frame.ok ? "done" : "failed";
      const took = call.querySelector("[data-seconds]");
      took.textContent = seconds(frame.durationMs);
      took.parentElement.hidden = false;
    },

    STEP_STARTED: (frame) => {
      const group = this.#add(this.#clone("nested"), frame);
      this.#nested.enter(group, frame);
    },

    STEP_FINISHED: (frame) => this.#nested.finish(frame.stepName),

    PRINTED: (frame) => {
      const last = this.#nested.place.lastElementChild;
      const printed = last?.matches(".printed") ? last : this.#add(this.#clone("printed"), frame);
      printed.append(frame.text);
    },

    INPUT_REQUESTED: (frame) => {
      const asked = asks(frame);
      if (asked !== "text") {
        const card = this.#clone(asked);
        fillCard(card, frame, this.#openCall(frame.toolCallId), this.#words);
        this.#add(card, frame);
        this.#nested.unfold();
        return;
      }
      const request = this.#add(this.#clone("request"), frame);
      request.dataset.id = frame.request;
      request.textContent = frame.prompt;
      request.hidden = !frame.prompt.trim();
    },

    INPUT_ANSWERED: (frame) => {
      const request = this.#log.querySelector(`:is(.request, .card)[data-id="${CSS.escape(frame.request)}"]`);
      delete request?.dataset.open;
      if (request?.matches(".card")) {
        const call = this.#openCall(request.dataset.call);
        showAnswer(request, frame, this.#words);
        if (call) {
          const { asks: asked, state } = request.dataset;
          call.dataset.state = asked === "approval" && ["rejected", "expired"].includes(state) ? "refused" : "running";
        }
      }
    },

    RUN_STARTED: () => {
      this.#log.querySelectorAll("[data-retry]").forEach((button) => (button.hidden = true));
    },

    RUN_FINISHED: (frame) => {
      this.#close();
      if (frame.outcome.type === "cancelled") {
        this.#add(this.#clone("ended"), frame);
      }
    },

    RUN_ERROR: (frame) => {
      this.#close();
      const error = this.#add(this.#clone("error"), frame);
      this.#body(error).textContent = frame.message;
      error.querySelector("[data-error-id]").textContent = frame.id;
    },
  };

  /** A line about what the models used. */
  addUsage({ tokens, cost, seconds }, frame) {
    const line = this.#add(this.#clone("usage"), frame, this.#log);
    line.querySelector("[data-tokens]").textContent = tokens;
    line.querySelector("[data-cost]").textContent = cost;
    line.querySelector("[data-cost]").parentElement.hidden = !cost;
    line.querySelector("[data-seconds]").textContent = seconds;
  }

  /** The messages of the person that the agent has not been able to read yet, or has by now. */
  markUnread(isUnread, id) {
    const messages = id ? [this.#message(id)] : this.#log.querySelectorAll(".from-person");
    messages.forEach((message) => {
      const note = message?.querySelector("[data-unread]");
      if (note) {
        note.hidden = !isUnread;
      }
    });
  }

  // --- elements ------------------------------------------------------------------------------------------------------

  #clone(kind) {
    return document.getElementById(`blank-${kind}`).content.firstElementChild.cloneNode(true);
  }

  #add(element, frame, place = this.#nested.place) {
    const time = element.querySelector("time");
    if (time) {
      time.dateTime = frame.at;
      showTimes(element);
    }
    place.append(element);
    return element;
  }

  #begin(message) {
    this.#writing.set(message.dataset.id, new Writing(this.#body(message)));
  }

  #message(id) {
    const selector = `.message[data-id="${CSS.escape(id)}"]`;
    return this.#log.querySelector(selector) ?? this.#pending.querySelector(selector);
  }

  #body(element) {
    return element.querySelector("[data-body]");
  }

  /** The last unfinished call with this id: models use an id again in a later turn. */
  #openCall(id) {
    return this.#calls.findLast((call) => call.dataset.id === id);
  }

  /** The run is over: what is unfinished stays so. */
  #close() {
    this.#log.querySelectorAll(".request[data-open]").forEach((request) => delete request.dataset.open);
    this.#log.querySelectorAll('.card:is([data-state="open"], [data-state="sending"])').forEach((card) => {
      card.dataset.state = "closed";
    });
    this.#calls.splice(0).forEach((call) => (call.dataset.state = "cut"));
    this.#nested.finishAll();
  }
}
