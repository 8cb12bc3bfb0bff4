/*
 * Long texts show their first lines, and a button the rest: results of tools, and what a person pasted.
 *
 * The same rule as `is_long` in `agentchat/items.py`, which folds what comes with the page.
 */

const LINES = 16;
const CHARACTERS = 1_500;

/** Fold the text of an element if it is long. The button comes next to it in the page. */
export function fold(element) {
  const text = element.textContent;
  const isLong = text.length > CHARACTERS || text.split("\n").length > LINES;
  const button = element.nextElementSibling;
  if (button?.matches("[data-unfold]")) {
    element.classList.toggle("folded", isLong);
    button.hidden = !isLong;
  }
}

export function offerToUnfold() {
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-unfold]");
    if (button) {
      const isFolded = button.previousElementSibling.classList.toggle("folded");
      button.setAttribute("aria-expanded", String(!isFolded));
    }
  });
}
