"""Storages for STORAGES["staticfiles"]: names with a hash of the content, which browsers may keep for ever.

Django's and WhiteNoise's leave one thing out by default: the scripts of our pages are modules that import one another,
and must do so by those names. `HashedModules` adds it to any other storage.
"""

from typing import TYPE_CHECKING, Any

from django.contrib.staticfiles import storage

if TYPE_CHECKING:
    CompressedManifestStaticFilesStorage: Any


class HashedModules:
    """Goes before a storage that is a ManifestFilesMixin."""

    support_js_module_import_aggregation = True


class ManifestStaticFilesStorage(HashedModules, storage.ManifestStaticFilesStorage):  # type: ignore[misc]  # Django's
    """Django's."""


def __getattr__(name: str) -> Any:
    if name != "CompressedManifestStaticFilesStorage":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from whitenoise.storage import CompressedManifestStaticFilesStorage as WhiteNoises  # late: it need not be installed

    globals()[name] = made = type(name, (HashedModules, WhiteNoises), {"__module__": __name__})
    return made
