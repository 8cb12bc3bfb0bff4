/* Stays at the end of the page while it grows, if the person is there; else a button leads back. */

const NEAR_PX = 100;

export class Scroll {
  #page = document.scrollingElement;
  #jump;
  #follows = true;

  constructor(jump) {
    this.#jump = jump;
    jump.addEventListener("click", () => {
      this.toEnd();
      document.getElementById("message").focus({ preventScroll: true });
    });
    // Asked when the person scrolls, not when the page has grown: then the end is far from everybody.
    addEventListener("scroll", () => this.#look(), { passive: true });
    addEventListener("resize", () => this.follow());
  }

  toEnd() {
    this.#follows = true;
    this.follow();
  }

  follow() {
    if (this.#follows) {
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
