"""What axe-core has to say about a page, as it looks just now or in each of the looks that people give it."""

from itertools import product

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

PHONE = {"width": 390, "height": 844}
DESKTOP = {"width": 1440, "height": 900}
LOOKS = list(product(("light", "dark"), (PHONE, DESKTOP)))

# What a person presses or fills in and is smaller than 44 px. A box to tick counts with its label; links within a text
# are as high as its lines (WCAG 2.5.5).
SMALL_TARGETS = """() => [...document.querySelectorAll("a[href], button, input, select, textarea, summary")]
  .filter((each) => each.checkVisibility({ visibilityProperty: true }) && !each.closest(".prose :is(p, li, td)"))
  .map((each) => [each, [each, ...(each.labels ?? [])].map((part) => part.getBoundingClientRect())])
  .filter(([, parts]) => parts.every(({ width, height }) => width < 44 || height < 44))
  .map(([each]) => each.outerHTML.slice(0, 100))"""


SCRIPT = Axe().axe_script
RUN = '() => axe.run({ resultTypes: ["violations"] }).then((results) => results.violations)'


def complaints(page: Page) -> list:
    if page.evaluate("!window.axe?.run"):  # `Axe.run` would send the script, of half a megabyte, each time
        page.evaluate(SCRIPT)
    found = page.evaluate(RUN)
    return [(each["id"], [node["target"] for node in each["nodes"]]) for each in found]


def small_targets(page: Page) -> list[str]:
    return page.evaluate(SMALL_TARGETS)


def assert_accessible(page: Page) -> None:
    """Nothing to say in light and dark, on a phone and on a desktop; nothing to scroll sideways for, nothing too small.

    Leaves the page light, on a desktop.
    """
    for scheme, size in LOOKS:
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        page.set_viewport_size(size)
        found = [*complaints(page), *small_targets(page)]
        assert not found, (scheme, size, found)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), (scheme, size)
    page.emulate_media(color_scheme="light")
