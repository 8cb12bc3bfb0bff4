/*
 * Automatic scrolling: the page follows its growing end until the user turns away from it.
 *
 * Any movement upwards ends that at once: wheel, finger, key, scroll bar, search. So does selecting text, or opening
 * something. It begins again at the very end, reached by the user or by the button, which shows meanwhile. While the
 * user works on a card, the page does not scroll.
 */

const AT_END_PX = 4;
const GESTURE_MS = 300; // from a wheel, a key or a finger to the first movement of the page
const MOVEMENT_MS = 500; // how long a smooth movement takes
const TOPBAR_PX = 56; // it covers the top of the window

export class AutoScroll {
  #page = document.scrollingElement;
  #jump;
  #follows = true;
  #isPressed = false; // a finger or the mouse button is down
  #gestureTimer = 0;
  #top = 0; // where the page was when it last moved
  #ends = []; // where its end has been lately: `{ at, px }`, the oldest first

  /** `log` is what grows; `jumped()` is called after a click on the button, which is hidden then. */
  constructor(log, jump, jumped) {
    this.#jump = jump;
    history.scrollRestoration = "manual"; // a page begins at its end, also when it is loaded again
    jump.addEventListener("click", () => {
      this.toEnd();
      jumped();
    });
    addEventListener("scroll", () => this.#moved(), { passive: true });
    addEventListener("resize", () => this.follow());
    this.#watchGestures();
    document.addEventListener("selectionchange", () => {
      const { isCollapsed, anchorNode } = getSelection();
      if (!isCollapsed && log.contains(anchorNode)) {
        this.#follows = false;
      }
    });
    log.addEventListener("click", ({ target }) => this.#clicked(target.closest("summary, [data-unfold]")), true);
  }

  /** The user is at the end, and the page follows it. */
  get follows() {
    return this.#follows;
  }

  toEnd() {
    this.#follows = true;
    this.#isPressed = false;
    clearTimeout(this.#gestureTimer);
    this.#gestureTimer = 0;
    this.follow();
  }

  /** While following, show the start of an element that is too tall for the window. */
  showStart(element) {
    this.follow();
    if (this.#follows && element.getBoundingClientRect().top < TOPBAR_PX) {
      this.#follows = false;
      element.scrollIntoView();
      this.#moved();
    }
  }

  /** Scroll to an element: to its middle, or to its start if it is tall. */
  showMiddle(element) {
    this.#follows = false;
    element.scrollIntoView({ block: element.offsetHeight < innerHeight / 2 ? "center" : "start" });
    this.#moved();
  }

  /** The page may have grown. */
  follow() {
    const isHeld = this.#isPressed || this.#gestureTimer || document.activeElement?.closest("[data-controls]");
    if (this.#follows && !isHeld) {
      this.#page.scrollTop = this.#page.scrollHeight;
      this.#top = this.#page.scrollTop;
    }
    this.#show();
  }

  /** The page has moved: by the user, or by the browser because it has become shorter. */
  #moved() {
    const top = this.#page.scrollTop;
    if (top < this.#top && top < this.#end - 1) {
      this.#follows = false;
    } else if (top > this.#top && top >= Math.min(this.#end, this.#ends[0]?.px ?? Infinity) - AT_END_PX) {
      this.#follows = true; // at the end as it was when the movement began: it could not know how the page would grow
    }
    this.#top = top;
    this.#show();
  }

  #show() {
    const now = performance.now();
    this.#ends.push({ at: now, px: this.#end });
    while (this.#ends[1]?.at < now - MOVEMENT_MS) {
      this.#ends.shift();
    }
    this.#jump.hidden = this.#follows || this.#page.scrollTop >= this.#end - AT_END_PX;
  }

  get #end() {
    return this.#page.scrollHeight - this.#page.clientHeight;
  }

  // --- what the user is about to do ----------------------------------------------------------------------------------

  /** Scrolling by script would undo a movement that is only about to begin, so it waits for what comes of it. */
  #watchGestures() {
    const passive = { passive: true };
    const release = (then) => () => {
      if (this.#isPressed) {
        this.#isPressed = false;
        then();
      }
    };
    const [released, cancelled] = [release(() => this.follow()), release(() => this.#wait())];
    addEventListener("pointerdown", ({ button }) => (this.#isPressed = button === 0), passive);
    ["pointerup", "contextmenu", "blur"].forEach((name) => addEventListener(name, released, passive));
    addEventListener("pointercancel", cancelled, passive); // a touch that scrolls the page, when it begins to
    addEventListener("wheel", ({ deltaY }) => deltaY < 0 && this.#wait(), passive);
    addEventListener("keydown", ({ key, shiftKey }) => {
      if (["ArrowUp", "PageUp", "Home"].includes(key) || (key === " " && shiftKey)) {
        this.#wait();
      }
    });
  }

  #wait() {
    clearTimeout(this.#gestureTimer);
    this.#gestureTimer = setTimeout(async () => {
      const timer = this.#gestureTimer;
      await nextFrame();
      await nextFrame(); // a busy page learns only now that it has moved
      if (timer === this.#gestureTimer) {
        this.#gestureTimer = 0;
        this.follow();
      }
    }, GESTURE_MS);
  }

  /** What the user opens to read must not be scrolled away. */
  #clicked(opener) {
    if (opener && !opener.matches("details[open] > summary, [aria-expanded='true']")) {
      this.#follows = false;
    }
  }
}

function nextFrame() {
  return new Promise((resolve) => requestAnimationFrame(resolve));
}
