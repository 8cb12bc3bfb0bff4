"""What axe-core has to say about a page, as it looks just now or in each of the looks that people give it."""

from itertools import product

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

PHONE = {"width": 390, "height": 844}
DESKTOP = {"width": 1440, "height": 900}
LOOKS = list(product(("light", "dark"), (PHONE, DESKTOP)))


def complaints(page: Page) -> list:
    found = Axe().run(page).response["violations"]
    return [(each["id"], [node["target"] for node in each["nodes"]]) for each in found]


def assert_accessible(page: Page) -> None:
    """Nothing to say in light and dark, on a phone and on a desktop; and nothing to scroll sideways for.

    Leaves the page light, on a desktop.
    """
    for scheme, size in LOOKS:
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        page.set_viewport_size(size)
        assert complaints(page) == [], (scheme, size)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), (scheme, size)
    page.emulate_media(color_scheme="light")
