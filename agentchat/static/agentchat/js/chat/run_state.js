/*
 * The state of the run, as events show it: idle, queued, running, waiting for an answer, or for something outside of the
 * chat.
 *
 * The same rules as `agentchat/presentation/reader.py`, which provides the initial state.
 */

export class RunState {
  #open = new Set(); // the ids of requests without an answer

  /** `question` is the element that shows an open question; the server fills it in. */
  constructor(state, question, log) {
    this.reset(state, question, log);
  }

  /** Start from what the server rendered. */
  reset(state, question, log) {
    this.#open.clear();
    this.state = state;
    /** The request that the composer answers: `{id, prompt, isPassword}`. */
    this.request = null;
    /** How many runs are ahead in the queue; null if unknown. */
    this.ahead = null;
    /** The user has asked it to stop, and it has not stopped yet. */
    this.isStopping = false;
    const { request, password } = question.dataset;
    if (request) {
      const prompt = question.querySelector("#question-words").textContent;
      this.request = { id: request, prompt, isPassword: password !== undefined };
      this.#open.add(request);
    }
    log.querySelectorAll('.card[data-state="open"]').forEach((card) => this.#open.add(card.dataset.id));
  }

  /** The agent has the turn. */
  get isBusy() {
    return this.state === "queued" || this.state === "running";
  }

  /** A question is open. An empty prompt is none: the agent has answered, and waits for the next message. */
  get hasQuestion() {
    return this.#open.size > (this.request && !this.request.isPassword && !this.request.prompt.trim() ? 1 : 0);
  }

  /** The user can stop it: it is working, a colleague decides, or a card waits for what the user may not want to say. */
  get canStop() {
    return this.isBusy || this.state === "outside" || (this.state === "waiting" && (!this.request || this.#open.size > 1));
  }

  apply(frame) {
    this.ahead = this.#aheadAfter(frame);
    switch (frame.type) {
      case "QUEUED":
        this.state = this.state === "idle" ? "queued" : this.state;
        break;
      case "RUN_STARTED":
        this.isStopping = false;
        this.state = "running";
        break;
      case "RUN_WAITING":
        this.state = frame.over ? "running" : "outside";
        break;
      case "INPUT_REQUESTED":
        this.isStopping = false;
        this.state = "waiting";
        if (frame.colleague) {
          break; // it is not for this user
        }
        this.#open.add(frame.request);
        if (frame.kind === "text") {
          this.request = { id: frame.request, prompt: frame.prompt, isPassword: Boolean(frame.password) };
        }
        break;
      case "INPUT_ANSWERED":
        if (this.request?.id === frame.request) {
          this.request = null;
        }
        this.#open.delete(frame.request);
        if (this.state === "waiting" && !this.#open.size) {
          this.state = "running";
        }
        break;
      case "HANDOVER_REQUESTED":
        this.isStopping = false;
        this.state = "waiting";
        break;
      case "HANDOVER_ENDED":
        this.state = "running";
        break;
      case "RUN_FINISHED":
      case "RUN_ERROR":
        this.state = "idle";
        this.isStopping = false;
        this.request = null;
        this.#open.clear();
        break;
    }
  }

  /** The queue position is valid until the run's first event; messages of the user do not change it. */
  #aheadAfter(frame) {
    if (frame.type === "QUEUED") {
      return frame.ahead;
    }
    return frame.type === "TEXT_MESSAGE_END" || frame.role === "user" ? this.ahead : null;
  }
}
