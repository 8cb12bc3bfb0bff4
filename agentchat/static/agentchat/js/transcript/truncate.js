/* Long texts show their first lines, and a button for the rest (`is_long` in `agentchat/presentation/items.py`). */

export function enableExpandButtons() {
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-unfold]");
    if (button) {
      const isTruncated = button.previousElementSibling.classList.toggle("folded");
      button.setAttribute("aria-expanded", String(!isTruncated));
    }
  });
}
