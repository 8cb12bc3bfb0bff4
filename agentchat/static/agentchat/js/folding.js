/*
 * The list of chats, beside the page or folded away, where there is room for it; elsewhere it is a drawer in any case, and
 * so it is when it is folded. A cookie keeps it: the server sends the page as it was left, so nothing jumps.
 */

const KEPT_S = 365 * 24 * 60 * 60;
const isWide = matchMedia("(min-width: 56rem)"); // as layout.css has it
const isDrawer = () => !isWide.matches || document.body.classList.contains("without-list");

export class Folding {
  #sidebar;
  #fold;
  #unfold;

  /** `fold` stands in the list, `unfold` beside it. */
  constructor(sidebar, fold, unfold) {
    [this.#sidebar, this.#fold, this.#unfold] = [sidebar, fold, unfold];
    fold.hidden = false;
    fold.addEventListener("click", () => {
      this.#set(true);
      unfold.focus();
    });
    unfold.addEventListener("click", (event) => {
      if (isWide.matches) {
        event.preventDefault(); // as a drawer it would cover the page
        this.#set(false);
        fold.focus();
      }
    });
  }

  /** Let the list be seen, for now. */
  show() {
    if (isDrawer() && !this.#sidebar.matches(":popover-open")) {
      this.#sidebar.showPopover();
    }
  }

  /** What had the focus was in the list: it goes to the way back there. */
  takeFocus() {
    this.#unfold.focus();
  }

  #set(isFolded) {
    document.body.classList.toggle("without-list", isFolded);
    document.cookie = `agentchat_sidebar=${isFolded ? "folded" : ""}; path=/; max-age=${isFolded ? KEPT_S : 0}; samesite=lax`;
  }
}
