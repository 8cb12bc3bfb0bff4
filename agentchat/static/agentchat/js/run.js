/*
 * What the run is doing, as far as the facts say: idle, queued, running, or waiting with a question.
 *
 * The same rules as `agentchat/transcript.py`, which gives the state that the page begins with.
 */

export class Run {
  /** `question` is the element that shows an open question; it holds the one that the page began with. */
  constructor(state, question) {
    this.state = state;
    this.question = question;
    this.request = null;
    if (state === "waiting") {
      const words = question.querySelector("#question-words").textContent;
      this.request = { id: question.dataset.request, prompt: words, isPassword: "password" in question.dataset };
    }
  }

  /** It is the agent's turn, and somebody could stop it. */
  get isBusy() {
    return this.state === "queued" || this.state === "running";
  }

  take(frame) {
    switch (frame.type) {
      case "RUN_STARTED":
        this.state = "running";
        break;
      case "INPUT_REQUESTED":
        this.state = "waiting";
        this.request = { id: frame.request, prompt: frame.prompt, isPassword: Boolean(frame.password) };
        break;
      case "INPUT_ANSWERED":
        if (this.request?.id === frame.request) {
          this.state = "running";
          this.request = null;
        }
        break;
      case "RUN_FINISHED":
      case "RUN_ERROR":
        this.state = "idle";
        this.request = null;
        break;
    }
  }
}
