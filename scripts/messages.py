"""Collect the translatable texts into agentchat/locale, and compile the translations.

One catalogue per language covers the app, its templates, and chatsite with its error pages. Needs GNU gettext (Debian:
apt-get install gettext). The compiled files are kept in the repository, so a clone or a wheel needs no gettext.
"""

import os
import sys
from pathlib import Path

ROOT = Path(sys.argv[1] if len(sys.argv) > 1 else __file__).resolve()  # a copy of the repository, for a test
ROOT = ROOT if len(sys.argv) > 1 else ROOT.parents[1]
LOCALE = ROOT / "agentchat" / "locale"
NO_WORDS = ["tests", "benchmarks", "docs", "scripts", "staticfiles", "dist", ".*"]


def main() -> None:
    os.chdir(ROOT)
    sys.path.insert(0, str(ROOT))
    os.environ["DJANGO_SETTINGS_MODULE"] = "chatsite.settings"
    os.environ.setdefault("DEBUG", "1")

    import django
    from django.conf import settings
    from django.core.management import call_command

    settings.LOCALE_PATHS = [str(LOCALE)]
    django.setup()
    locales = sorted(folder.name for folder in LOCALE.iterdir() if folder.is_dir())
    call_command(
        "makemessages",
        locale=locales,
        extensions=["html", "py", "svg"],
        add_location="file",  # line numbers would change with every line of code
        no_obsolete=True,
        no_wrap=True,
        ignore_patterns=NO_WORDS,
        verbosity=0,
    )
    call_command("compilemessages", locale=locales, ignore_patterns=NO_WORDS, verbosity=0)


if __name__ == "__main__":
    main()
