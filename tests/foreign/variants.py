"""How projects differ: each variant has settings and addresses of its own, and says what is different for its users."""

from dataclasses import dataclass, field
from typing import Any

from tests.foreign.project import URLS


@dataclass(frozen=True, kw_only=True)
class Variant:
    """`walk` are the options of the walk; `prepare`, management commands before it."""

    settings: str = ""
    urls: str = URLS
    walk: dict[str, Any] = field(default_factory=dict)
    prepare: tuple[str, ...] = ()


SESSIONS = '\nSESSION_ENGINE = "django.contrib.sessions.backends.%s"\n'

IN_A_FOLDER = """
from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("chats/admin/", admin.site.urls),
    path("chats/accounts/", include("django.contrib.auth.urls")),
    path("chats/", include("agentchat.urls")),
]
""".lstrip()

VARIANTS = {
    "plain": Variant(),
    "times without a zone": Variant(settings='\nUSE_TZ = False\nTIME_ZONE = "America/Bogota"\n'),
    # --- addresses ---
    "below a path that the proxy takes away": Variant(
        settings="""
FORCE_SCRIPT_NAME = "/app"
STATIC_URL = "/app/static/"
SESSION_COOKIE_PATH = CSRF_COOKIE_PATH = LANGUAGE_COOKIE_PATH = "/app/"
LOGIN_URL = "login"
""",
        walk={"mount": "/app/", "strip": "/app", "admin": "/app/admin/"},
    ),
    "below a path that the proxy leaves": Variant(
        settings='\nFORCE_SCRIPT_NAME = "/app"\nLOGIN_URL = "login"\n',
        walk={"mount": "/app/", "admin": "/app/admin/"},
    ),
    "below a path that the server knows": Variant(
        settings='\nLOGIN_URL = "login"\n',
        walk={"mount": "/app/", "admin": "/app/admin/", "root_path": "/app"},
    ),
    "cookies of a folder": Variant(
        settings='\nSESSION_COOKIE_PATH = CSRF_COOKIE_PATH = "/chats/"\nLOGIN_URL = "login"\n',
        urls=IN_A_FOLDER,
        walk={"mount": "/chats/", "admin": "/chats/admin/"},
    ),
    "sockets elsewhere": Variant(
        settings='\nAGENTCHAT["WEBSOCKET_PATH"] = "/sockets/here/"\n',
        walk={"socket_path": "/sockets/here/ws/"},
    ),
    "a proxy that names the host otherwise": Variant(
        settings="""
USE_X_FORWARDED_HOST = USE_X_FORWARDED_PORT = True
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
""",
        walk={
            "host": "internal:8000",
            "origin": "https://public.example",
            "headers": {
                "x_forwarded_host": "public.example",
                "x_forwarded_port": "443",
                "x_forwarded_proto": "https",
            },
        },
    ),
    # --- accounts and sessions ---
    "pages that need a sign-in": Variant(
        settings="""
_after = MIDDLEWARE.index("django.contrib.auth.middleware.AuthenticationMiddleware") + 1
MIDDLEWARE.insert(_after, "django.contrib.auth.middleware.LoginRequiredMiddleware")
"""
    ),
    "django-allauth": Variant(
        settings="""
INSTALLED_APPS += ["allauth", "allauth.account"]
MIDDLEWARE += ["allauth.account.middleware.AccountMiddleware"]
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
LOGIN_URL = "account_login"
ACCOUNT_EMAIL_VERIFICATION = "none"
""",
        urls=URLS.replace("django.contrib.auth.urls", "allauth.urls"),
        walk={"login_field": "login"},
        prepare=("migrate",),
    ),
    "sessions in cookies": Variant(settings=SESSIONS % "signed_cookies"),
    "sessions in a cache and the database": Variant(settings=SESSIONS % "cached_db"),
    "sessions in a cache, and other cookies": Variant(
        settings=SESSIONS % "cache"
        + """
SESSION_COOKIE_NAME = "visit"
CSRF_COOKIE_NAME = "token"
CSRF_USE_SESSIONS = True
LANGUAGE_COOKIE_NAME = "tongue"
"""
    ),
    "sessions in files, and other middleware": Variant(
        settings=SESSIONS % "file"
        + """
SESSION_SAVE_EVERY_REQUEST = True
MIDDLEWARE = [
    "django.middleware.gzip.GZipMiddleware",
    "django.middleware.cache.UpdateCacheMiddleware",
    "django.middleware.http.ConditionalGetMiddleware",
    *MIDDLEWARE,
    "django.middleware.cache.FetchFromCacheMiddleware",
]
"""
    ),
    # --- languages ---
    "languages of regions, and one that Django does not know": Variant(
        settings="""
MIDDLEWARE.insert(2, "django.middleware.locale.LocaleMiddleware")
LANGUAGE_CODE = "en-gb"
LANGUAGES = [("en-gb", "British"), ("de-at", "Deutsch"), ("tlh", "tlhIngan")]
""",
        walk={"languages": {"de-at": "Neuer Chat", "en-gb": "New chat"}},
    ),
    "languages in the path": Variant(
        settings='\nMIDDLEWARE.insert(2, "django.middleware.locale.LocaleMiddleware")\n',
        urls="""
from django.conf.urls.i18n import i18n_patterns
from django.urls import include

urlpatterns += [path("accounts/", include("django.contrib.auth.urls"))]
urlpatterns += i18n_patterns(path("", include("agentchat.urls")))
""",
        walk={"mount": "/en/"},
    ),
    "one language": Variant(settings="\nUSE_I18N = False\nUSE_THOUSAND_SEPARATOR = True\nAPPEND_SLASH = False\n"),
    # --- the rest ---
    "collected static files": Variant(
        settings="""
DEBUG = False
STATIC_ROOT = BASE_DIR / "static"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "agentchat.storage.ManifestStaticFilesStorage"},
}
""",
        prepare=("collectstatic", "--noinput"),
    ),
}
