/*
 * What the person says while the agent is busy lies in its inbox, and says so, until the run asks for it or ends.
 *
 * No fact says when it was taken. A run asks a person between two messages, so a message that begins right after another
 * one is taken for its sign. The same rules as `agentchat/transcript.py`.
 */

export class Unread {
  #transcript;
  #last = ""; // the type of the agent's last fact

  constructor(transcript) {
    this.#transcript = transcript;
  }

  /** The server has rendered another branch. What is said next, a run begins with. */
  begin() {
    this.#last = "RUN_STARTED";
  }

  /** Call it before the run has taken the frame. */
  take(frame, run) {
    const { type, role, messageId } = frame;
    if (type === "TEXT_MESSAGE_START" && role === "user") {
      const isBusy = run.state === "running" && !run.request && this.#last !== "RUN_STARTED"; // that one it begins with
      this.#transcript.markUnread(isBusy, messageId);
      return;
    }
    if (type === "TEXT_MESSAGE_END" && this.#transcript.isFromPerson(messageId)) {
      return;
    }
    const isNext = type === "TEXT_MESSAGE_START" && this.#last === "TEXT_MESSAGE_END";
    if (isNext || ["INPUT_REQUESTED", "RUN_STARTED", "RUN_FINISHED", "RUN_ERROR"].includes(type)) {
      this.#transcript.markUnread(false);
    }
    if (frame.seq !== undefined && type !== "USAGE") {
      this.#last = type;
    }
  }
}
