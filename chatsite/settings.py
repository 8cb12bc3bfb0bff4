"""The settings of the site. Everything that differs between machines comes from the environment; nothing is edited.

With only DEBUG=1 set, this serves the whole product to guests on a developer's machine. docs/deploying.md lists the
variables of a public site; `agentchat/conf.py` documents each AGENTCHAT_… setting.
"""

import os
from pathlib import Path
from typing import Any

import environ
from django.core.exceptions import ImproperlyConfigured

from chatsite.databases import databases, url_in
from chatsite.secret_key import secret_key

BASE_DIR = Path(__file__).resolve().parent.parent

env = environ.Env()

# --- access ---------------------------------------------------------------------------------------------------------

DEBUG = env.bool("DEBUG", default=False)
SECRET_KEY = secret_key(os.environ.get("SECRET_KEY", ""), file=BASE_DIR / ".local" / "secret_key", may_make=DEBUG)
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=[])  # with DEBUG, an empty list means localhost
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])

# --- apps and middleware --------------------------------------------------------------------------------------------

INSTALLED_APPS = [
    "daphne",  # first: `runserver` is daphne too
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "channels",
    "agentchat",
    "chatsite",  # its agents.py has two agent functions to try
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "agentchat.csp.StrictPolicyMiddleware",
    "chatsite.static.StaticFilesMiddleware",
    "chatsite.sign_in.too_many_requests",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

DEFAULT_EXCEPTION_REPORTER_FILTER = "chatsite.error_report.MaskingReporterFilter"
ROOT_URLCONF = "chatsite.urls"
ASGI_APPLICATION = "chatsite.asgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

# --- the database ---------------------------------------------------------------------------------------------------

DATABASES = databases(os.environ.get("DATABASE_URL", ""), otherwise=BASE_DIR / "db.sqlite3")

DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- messages between processes -------------------------------------------------------------------------------------

REDIS_URL = url_in("REDIS_URL")  # redis://… or, with TLS, rediss://…
REDIS_PREFIX = env.str("REDIS_PREFIX", default="agentchat")  # of all keys and channels: sites may share a Redis

if REDIS_URL:
    # Publish and subscribe, not channels_redis' queues: docs/decisions/0003-pubsub-layer.md has the figures.
    CHANNEL_LAYERS = {
        "default": {
            "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
            "CONFIG": {
                "hosts": [
                    {
                        "address": REDIS_URL,
                        "socket_timeout": 2,  # seconds; agentchat itself waits one at most
                        "socket_connect_timeout": 1,
                        "socket_keepalive": True,
                    }
                ],
                "prefix": f"{REDIS_PREFIX}:layer:",
            },
        }
    }
    CACHES = {
        "default": {
            "BACKEND": "django.core.cache.backends.redis.RedisCache",
            "LOCATION": REDIS_URL,
            "KEY_PREFIX": f"{REDIS_PREFIX}:cache",
            "OPTIONS": {
                "serializer": "agentchat.json_cache.JSONSerializer",
                "socket_timeout": 1,
                "socket_connect_timeout": 1,
            },
        }
    }
else:
    # One process serves everything, so its messages need not leave it.
    CHANNEL_LAYERS = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}

# --- Celery: workers, if AGENTCHAT_ENGINE=celery --------------------------------------------------------------------

CELERY_BROKER_URL = url_in("CELERY_BROKER_URL") or REDIS_URL
if CELERY_BROKER_URL.startswith("redis"):
    CELERY_BROKER_TRANSPORT_OPTIONS = {
        "global_keyprefix": f"{REDIS_PREFIX}.",
        # A message that is not acknowledged within this is sent again: without effect, the run is claimed or over.
        "visibility_timeout": 60 * 60,
        "socket_connect_timeout": 2,
        "socket_timeout": 5,  # a worker must not wait forever for a frozen Redis
        "socket_keepalive": True,
    }
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None  # a worker survives an outage of its broker, however long
CELERY_TASK_DEFAULT_QUEUE = "agentchat"
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_IGNORE_RESULT = True
CELERY_WORKER_POOL = "threads"
CELERY_WORKER_PREFETCH_MULTIPLIER = 1  # another worker takes what one has no capacity for
CELERY_WORKER_ENABLE_PREFETCH_COUNT_REDUCTION = False
CELERY_WORKER_REDIRECT_STDOUTS = False

# --- e-mail ---------------------------------------------------------------------------------------------------------

vars().update(env.email_url("EMAIL_URL", default="consolemail://"))
DEFAULT_FROM_EMAIL = env.str("DEFAULT_FROM_EMAIL", default="webmaster@localhost")
EMAIL_TIMEOUT = 20

# --- agentchat ------------------------------------------------------------------------------------------------------

_AGENTCHAT = {
    "ENGINE": env.str,
    "LLM": env.json,
    "MAX_RUNS": env.int,
    "MAX_RUNS_PER_OWNER": env.int,
    "LEASE_S": env.float,
    "GUESTS": env.bool,
    "MAX_STEPS": env.int,
    "MAX_RUN_TOKENS": env.int,
    "MAX_RUN_COST": env.float,
    "FALLBACK_PRICE": env.json,
    "MAX_RUN_S": env.float,
    "LIMITS_ASK": env.str,
    "BUDGETS": env.json,
    "MESSAGES_PER_MINUTE": env.int,
    "MAX_MESSAGE_CHARS": env.int,
    "LLM_TIMEOUT_S": env.float,
    "KEEP_REASONING": env.bool,
    "KEEP_REQUESTS": env.bool,
    "TOOL_TIMEOUT_S": env.float,
    "DRAIN_S": env.float,
    "WAIT_S": env.float,
    "EMBED_ORIGINS": env.list,
    "SHOW_USAGE": env.str,
    "SHOW_TOOLS": env.str,
    "WEBSOCKET_PATH": env.str,
    "LOGOUT_URL": env.str,
    "PASSWORD_CHANGE_URL": env.str,
    "GUEST_CHATS_PER_HOUR": env.int,
    "GUEST_MESSAGES_PER_MINUTE": env.int,
    "GUEST_MB_PER_DAY": env.int,
    "MAX_UPLOAD_MB": env.int,
    "MODEL_FILE_MB": env.int,
    "MODEL_FILES_MB": env.int,
    "MAX_MESSAGE_FILES": env.int,
    "MAX_MESSAGE_MB": env.int,
    "UPLOAD_MB_PER_DAY": env.int,
    "UPLOAD_CHECK": env.str,
    "MAX_IMAGE_PIXELS": env.int,
    "GUEST_SOCKETS": env.int,
    "TITLES": env.str,
    "OPENTELEMETRY": env.bool,
    "RETENTION_DAYS": env.int,
    "GUEST_ADDRESSES": env.int,
    "NOTIFY": env.str,
    "NOTIFY_CONTENT": env.bool,
    "SITE_URL": env.str,
    "MAX_SOCKETS": env.int,
    "MAX_BODY_BYTES": env.int,
    "TRUSTED_PROXIES": env.int,
    "APIS": env.list,
    "API_ORIGINS": env.list,
    "MCP_SERVERS": env.json,
}


def _agentchat() -> dict[str, object]:
    """AGENTCHAT_MAX_RUNS=8 is AGENTCHAT["MAX_RUNS"] = 8; without a variable the default applies."""
    values: dict[str, object] = {}
    for key, read in _AGENTCHAT.items():
        name = f"AGENTCHAT_{key}"
        if os.environ.get(name):
            try:
                values[key] = read(name)
            except (ValueError, RecursionError) as error:
                # A config list has keys: say where it is wrong, not what it is.
                what = name if read == env.json else f"{name}={os.environ[name]!r}"
                raise ImproperlyConfigured(f"{what} cannot be read: {error}") from None
    return values


AGENTCHAT = _agentchat()
CELERY_WORKER_CONCURRENCY = AGENTCHAT.get("MAX_RUNS", 64)

# --- accounts -------------------------------------------------------------------------------------------------------

LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "agentchat:index"
LOGOUT_REDIRECT_URL = "agentchat:index"

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]

SESSION_COOKIE_AGE = 30 * 24 * 60 * 60  # seconds for which guests keep their chats

# --- security -------------------------------------------------------------------------------------------------------

SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = LANGUAGE_COOKIE_SECURE = not DEBUG
LANGUAGE_COOKIE_SAMESITE = "Lax"  # as the others are by default
LANGUAGE_COOKIE_HTTPONLY = True
CSRF_FAILURE_VIEW = "agentchat.embed.csrf_failure"  # in a frame of another site, a page that can be shown there
if AGENTCHAT.get("EMBED_ORIGINS") and not DEBUG:
    # In a page of another site browsers only send cookies with this. Forms still have their tokens, and the origin of
    # websockets is checked.
    SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = LANGUAGE_COOKIE_SAMESITE = "None"
X_FRAME_OPTIONS = "DENY"
SECURE_REFERRER_POLICY = "same-origin"
SECURE_SSL_REDIRECT = env.bool("SECURE_SSL_REDIRECT", default=False)
SECURE_REDIRECT_EXEMPT = [r"^(healthz|readyz)$"]  # a load balancer on the same machine uses plain HTTP
# Trust this header only behind a proxy that always sets it, e.g. "HTTP_X_FORWARDED_PROTO,https".
SECURE_PROXY_SSL_HEADER = env.tuple("SECURE_PROXY_SSL_HEADER", default=()) or None
SECURE_HSTS_SECONDS = env.int("SECURE_HSTS_SECONDS", default=0 if DEBUG else 365 * 24 * 60 * 60)
SECURE_HSTS_INCLUDE_SUBDOMAINS = env.bool("SECURE_HSTS_INCLUDE_SUBDOMAINS", default=False)
SECURE_HSTS_PRELOAD = env.bool("SECURE_HSTS_PRELOAD", default=False)

# --- static files ---------------------------------------------------------------------------------------------------

STATIC_URL = "/static/"
STATIC_ROOT = BASE_DIR / "staticfiles"  # where `collectstatic` puts them, for a site without DEBUG
STORAGES: dict[str, dict[str, Any]] = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    # Files of chats: private, and served by no web server. Several machines need one that they share.
    "agentchat": {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {
            "location": env.path("FILES_ROOT", default=BASE_DIR / ".local" / "files"),
            "file_permissions_mode": 0o600,
            "directory_permissions_mode": 0o700,
        },
    },
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if DEBUG
        else "chatsite.static.HashedStaticFilesStorage"
    },
}
WHITENOISE_USE_FINDERS = WHITENOISE_AUTOREFRESH = DEBUG
WHITENOISE_ALLOW_ALL_ORIGINS = False

# --- language and time ----------------------------------------------------------------------------------------------

LANGUAGE_CODE = "en"
# Those with complete translations.
LANGUAGES = [("en", "English"), ("de", "Deutsch"), ("ar", "العربية")]
USE_TZ = True
TIME_ZONE = env.str("TIME_ZONE", default="UTC")

# --- the log --------------------------------------------------------------------------------------------------------

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {
            "()": "agentchat.core.log.LineFormatter",  # nothing that is logged can look like a line of its own
            "format": "{asctime} {levelname} {name}: {message}",
            "style": "{",
        },
        "json": {"()": "agentchat.telemetry.json_logs.JSONFormatter"},
    },
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": env.str("LOG_FORMAT", default="line")}},
    "root": {"handlers": ["stderr"], "level": env.str("LOG_LEVEL", default="INFO").upper()},
    "loggers": {
        # Their own handlers would log it twice, or (without DEBUG) mail it to nobody.
        "django": {"handlers": []},
        "django.server": {"handlers": [], "propagate": True},
        # At INFO they log their start, each request to a model, or each message about a run.
        "daphne": {"level": "WARNING"},
        "channels_redis": {"level": "CRITICAL"},  # a traceback each second without Redis; agentchat.layer logs it once
        "httpx2": {"level": "WARNING"},
        # A worker logs when it is ready, at any LOG_LEVEL.
        "celery.apps.worker": {"level": "INFO"},
        "celery.worker.strategy": {"level": "WARNING"},
        "celery.app.trace": {"level": "WARNING"},
    },
}
