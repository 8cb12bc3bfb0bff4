/*
 * Collapsing the sidebar. In a wide window it stands next to the page unless the user has collapsed it; otherwise it is
 * a drawer. A cookie stores the choice, so that the server renders the page in its final layout.
 */

import { setCookie } from "../common/browser.js";

const isWide = matchMedia("(min-width: 56rem)"); // as in layout.css
const isDrawer = () => !isWide.matches || document.body.classList.contains("without-list");

export class CollapsibleSidebar {
  #sidebar;
  #expandButton;

  /** `collapseButton` is in the sidebar, `expandButton` outside. */
  constructor(sidebar, collapseButton, expandButton) {
    [this.#sidebar, this.#expandButton] = [sidebar, expandButton];
    collapseButton.hidden = false;
    collapseButton.addEventListener("click", () => {
      this.#setCollapsed(true);
      expandButton.focus();
    });
    expandButton.addEventListener("click", (event) => {
      if (isWide.matches) {
        event.preventDefault(); // a drawer would cover the page
        this.#setCollapsed(false);
        collapseButton.focus();
      }
    });
  }

  /** Show the sidebar for now. */
  show() {
    if (isDrawer() && !this.#sidebar.matches(":popover-open")) {
      this.#sidebar.showPopover();
    }
  }

  /** Take over the focus from an element in the sidebar. */
  focus() {
    this.#expandButton.focus();
  }

  #setCollapsed(isCollapsed) {
    document.body.classList.toggle("without-list", isCollapsed);
    setCookie("agentchat_sidebar", isCollapsed ? "folded" : "");
  }
}
