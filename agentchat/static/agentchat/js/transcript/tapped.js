/* Where there is no mouse to hover with, a tap on a message shows its actions (messages.css). */

export function showActionsOnTap(log) {
  log.addEventListener("click", ({ target }) => {
    const message = target.closest(".message");
    log.querySelectorAll("[data-tapped]").forEach((each) => each.toggleAttribute("data-tapped", each === message));
    message?.toggleAttribute("data-tapped", true);
  });
}
