/*
 * Stays at the end of the page while it grows, if the person is there; else a button leads back. Whoever works at a card
 * stays at the card.
 */

const NEAR_PX = 100;
const BAR_PX = 56; // at the top, over what is below it

export class Scroll {
  #page = document.scrollingElement;
  #jump;
  #follows = true;

  /** `jumped()` is called when the person has gone to the end by the button, which then is not there any more. */
  constructor(jump, jumped) {
    this.#jump = jump;
    jump.addEventListener("click", () => {
      this.toEnd();
      jumped();
    });
    // Asked when the person scrolls, not when the page has grown: then the end is far from everybody.
    addEventListener("scroll", () => this.#look(), { passive: true });
    addEventListener("resize", () => this.follow());
  }

  /** The person is at the end, and stays there. */
  get follows() {
    return this.#follows;
  }

  toEnd() {
    this.#follows = true;
    this.follow();
  }

  /** Show the beginning of what is too high to be seen as a whole, if the person is at the end. */
  showStart(element) {
    this.follow();
    if (this.#follows && element.getBoundingClientRect().top < BAR_PX) {
      this.#follows = false;
      element.scrollIntoView();
    }
  }

  /** Show an element in the middle of the window, or from its beginning if it is high, wherever the person was. */
  showMiddle(element) {
    this.#follows = false;
    element.scrollIntoView({ block: element.offsetHeight < innerHeight / 2 ? "center" : "start" });
    this.#look();
  }

  follow() {
    if (this.#follows && !document.activeElement?.closest("[data-controls]")) {
      this.#page.scrollTop = this.#page.scrollHeight;
    }
    this.#jump.hidden = this.#follows;
  }

  #look() {
    const { scrollHeight, scrollTop, clientHeight } = this.#page;
    this.#follows = scrollHeight - scrollTop - clientHeight <= NEAR_PX;
    this.#jump.hidden = this.#follows;
  }
}
