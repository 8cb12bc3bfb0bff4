/*
 * What a tap shows: the actions of a message, where there is no mouse to hover with (actions.css), and the rest of a
 * long text, of which the first lines are shown (`is_long` in `agentchat/presentation/items.py`).
 */

export function showActionsOnTap(log) {
  log.addEventListener("click", ({ target }) => {
    const message = target.closest(".message");
    log.querySelectorAll("[data-tapped]").forEach((each) => each.toggleAttribute("data-tapped", each === message));
    message?.toggleAttribute("data-tapped", true);
  });
}

export function enableExpandButtons() {
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-unfold]");
    if (button) {
      const isTruncated = button.previousElementSibling.classList.toggle("folded");
      button.setAttribute("aria-expanded", String(!isTruncated));
    }
  });
}
