/*
 * One message while it is being written: its text so far, its finished blocks, and the block that is being written.
 *
 * The server renders both kinds of blocks. Each delta has its position (`offset`, in UTF-16 code units like the lengths
 * of strings here), so a repeated one changes nothing. A higher attempt restarts the message.
 */

import { wrapCodeBlocks } from "./code_blocks.js";
import { updateChildren } from "./fragments.js";

const ELEMENTS_PER_FRAME = 150; // what is added to the page between two animation frames: a phone lays it out in time

export class LiveMessage {
  #body;
  #attempt = 0;
  #blocks = 0; // how many have come
  #added = ""; // the HTML of blocks that are not in the page yet
  #open = ""; // the HTML of the block that is being written
  #isStale = false; // the page shows less than has come
  #shown = 0; // how many blocks are in the page
  #settled = 0; // how many nodes of the body belong to finished blocks

  constructor(body) {
    this.text = "";
    this.#body = body;
  }

  /** Restart if this is a new attempt: also before its text, while the model thinks, which is the first block. */
  begin({ attempt }) {
    if (attempt > this.#attempt) {
      this.#attempt = attempt;
      this.text = this.#added = this.#open = "";
      this.#blocks = this.#settled = this.#shown = 0;
      this.#body.replaceChildren();
    }
  }

  /** Apply a delta; return whether anything changed. */
  append({ attempt, offset, delta }) {
    if (offset === 0) {
      this.begin({ attempt });
    }
    if (attempt !== this.#attempt || offset > this.text.length) {
      return false; // of an abandoned attempt, or after a gap: the end of the message has the whole text
    }
    this.text = this.text.slice(0, offset) + delta;
    return true;
  }

  /** Add a finished block, or replace all that came so far by it; return whether anything changed. */
  addBlock({ attempt, index, end, html }) {
    if (attempt !== this.#attempt || (index !== this.#blocks && index > 0) || end > this.text.length) {
      return false;
    }
    if (index === 0) {
      this.#settled = 0;
      this.#added = "";
    }
    this.#blocks = index + 1;
    this.#added += html;
    this.#open = "";
    this.#isStale = true;
    return true;
  }

  /** Take the block that is being written: `keep` characters of its HTML as they were, and the rest. */
  setOpenBlock({ attempt, index, keep, html }) {
    if (attempt !== this.#attempt || index !== this.#blocks || keep > this.#open.length) {
      return false;
    }
    this.#open = this.#open.slice(0, keep) + html;
    this.#isStale = true;
    return true;
  }

  /** Show what has come, or a part of it; return whether that was all. */
  render() {
    if (!this.#isStale) {
      return true; // only the text has grown, which the server has not rendered yet
    }
    if (this.#blocks < this.#shown) {
      return true; // a new connection sends them again: a page that shrank meanwhile would lose the reader's place
    }
    this.#shown = this.#blocks;
    const finished = this.#parse(this.#added);
    const settled = this.#settled + finished.childNodes.length;
    finished.append(...this.#parse(this.#open).childNodes);
    const room = { elements: ELEMENTS_PER_FRAME };
    updateChildren(this.#body, finished, this.#settled, room);
    if (room.elements < 0) {
      return false;
    }
    this.#settled = settled;
    this.#added = "";
    this.#isStale = false;
    return true;
  }

  /** The nodes of HTML, sanitized by the server, as they are in the page: with the words in the reader's language. */
  #parse(html) {
    const body = this.#body.cloneNode(false);
    body.innerHTML = html;
    wrapCodeBlocks(body);
    for (const heading of body.querySelectorAll(".thoughts > summary")) {
      heading.replaceWith(document.getElementById("blank-thoughts").content.cloneNode(true));
    }
    return body;
  }
}
