"""Config -> the names Django uses, nothing else.

Every value follows from config.toml, the key files or the design; Django's DEBUG stays off everywhere.
"""

from typing import Any

from mailer.config import Config, load
from mailer.keys import load as load_keys
from mailer.library import PROJECT

CONFIG = load()
_HTTPS = CONFIG.site.base_url.startswith("https://")


def _database(config: Config) -> dict[str, Any]:
    address = config.database.postgres
    if address is None:
        return {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": config.data.dir / "mailer.sqlite3",
            "OPTIONS": {
                # Whoever opens a transaction means to write; begun by reading it might never be promoted.
                "transaction_mode": "IMMEDIATE",
                "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON;",
                "timeout": 5,
            },
            # To connect costs as much as a whole page. Not for long, so that a file that was put in its place is seen.
            "CONN_MAX_AGE": 10,
        }
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": address.name,
        "USER": address.user,
        "PASSWORD": address.password,
        "HOST": address.host,
        "PORT": address.port or "",
        "CONN_MAX_AGE": 600,
        "CONN_HEALTH_CHECKS": True,
        # Whoever leaves is not kept waiting for a server that does not answer (standards U13).
        "OPTIONS": {"application_name": "mailer", "connect_timeout": 3, **dict(address.options)},
    }


SECRET_KEY = load_keys(CONFIG.data.keys).django
DEBUG = False
ALLOWED_HOSTS = [CONFIG.site.host]
if not CONFIG.site.production:
    ALLOWED_HOSTS += ["127.0.0.1", "localhost", "[::1]"]

INSTALLED_APPS = ["mailer", "django.contrib.staticfiles"]
AUTH_USER_MODEL = "mailer.User"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
DATABASES = {"default": _database(CONFIG)}
ROOT_URLCONF = "mailer.urls"
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [PROJECT / "templates" / "web"],
        "OPTIONS": {"context_processors": ["django.template.context_processors.request"]},
    }
]
# Django itself mails nobody: letters leave by our own client only, which asks for consent first.
EMAIL_BACKEND = "django.core.mail.backends.dummy.EmailBackend"

USE_TZ = True
TIME_ZONE = "UTC"
LANGUAGE_CODE = "en-gb"

STATIC_URL = "/static/"
WHITENOISE_USE_FINDERS = True
WHITENOISE_ALLOW_ALL_ORIGINS = False

# A redirect would turn a one-click POST into a GET, which changes nothing (RFC 8058): addresses are exact,
# and the web server in front sends http to https.
APPEND_SLASH = False
SECURE_SSL_REDIRECT = False
SECURE_HSTS_SECONDS = 31_536_000 if _HTTPS else 0
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "no-referrer"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
CSRF_COOKIE_SECURE = _HTTPS
CSRF_FAILURE_VIEW = "mailer.web.errors.forbidden"
CSRF_COOKIE_HTTPONLY = True
CSRF_COOKIE_SAMESITE = "Strict"
CSRF_TRUSTED_ORIGINS = [CONFIG.site.base_url]
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'none'"],
        "style-src": ["'self'"],
        "script-src": ["'self'"],
        "img-src": ["'self'"],
        "font-src": ["'self'"],
        "connect-src": ["'self'"],
        "frame-src": ["'self'"],
        "form-action": ["'self'"],
        "frame-ancestors": ["'none'"],
        "base-uri": ["'none'"],
    }
}

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {"redact": {"()": "mailer.redaction.RedactTokens"}},
    "formatters": {"plain": {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s"}},
    "handlers": {
        "console": {"class": "logging.StreamHandler", "formatter": "plain", "filters": ["redact"]},
    },
    "root": {"handlers": ["console"], "level": "INFO" if CONFIG.site.production else "WARNING"},
    # Django's own handlers would print past the filter.
    "loggers": {
        **{name: {"handlers": [], "propagate": True} for name in ("django", "django.server")},
        # It warns of each request that waits its turn, even for a millisecond.
        "waitress.queue": {"handlers": [], "propagate": True, "level": "ERROR"},
    },
}

# The demo's pages exist only where the demo itself wrote the configuration.
DEMO = (CONFIG.data.dir / "this-is-the-demo").exists()
