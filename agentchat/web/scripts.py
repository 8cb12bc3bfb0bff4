"""The scripts that a page's script imports, so that a browser loads them all at once and not one after another.

Browsers learn of a module's imports when they have it: five levels of imports are five round trips.
"""

import re
from functools import cache
from pathlib import Path
from posixpath import dirname, join, normpath, relpath
from urllib.parse import urljoin

from django.contrib.staticfiles.storage import staticfiles_storage
from django.templatetags.static import static

STATIC = Path(__file__).parents[1] / "static"

_IMPORT = re.compile(r'^import \{[^}]+\} from "(\.[^"]+)";$', re.MULTILINE)


def module_urls(name: str) -> list[str]:
    """The addresses of all modules that this script of the app loads, as the browser will ask for them."""
    if getattr(staticfiles_storage, "support_js_module_import_aggregation", True):
        return [static(module) for module in _imports_of(name)]
    # A storage that hashes names, but not in imports: they lead to the names without a hash.
    return [urljoin(static(name), relpath(module, dirname(name))) for module in _imports_of(name)]


@cache
def _imports_of(name: str) -> list[str]:
    """The modules that a script imports, directly or through others; each once."""
    found: list[str] = []
    waiting = [name]
    while waiting:
        script = waiting.pop(0)
        text = (STATIC / script).read_text(encoding="utf-8")
        imported = [normpath(join(dirname(script), path)) for path in _IMPORT.findall(text)]
        new = [each for each in imported if each not in found]
        found += new
        waiting += new
    return found
