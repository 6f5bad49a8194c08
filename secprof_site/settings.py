"""Settings: one module for every installation, driven by the environment (all variables: deploy/env.sample).

Three ways to run: production (nothing set), SECPROF_DEMO=1 (one machine, plain HTTP on loopback) and
SECPROF_DEBUG=1 (development and tests). Production refuses to start while something it needs is missing.
"""

import os
from pathlib import Path
from urllib.parse import quote

from django.core.exceptions import ImproperlyConfigured

from secprof_site import env

BASE_DIR = Path(__file__).resolve().parent.parent
ENVIRON = os.environ

DEBUG = env.read_flag(ENVIRON, "SECPROF_DEBUG")
SECPROF_DEMO = env.read_flag(ENVIRON, "SECPROF_DEMO")
PRODUCTION = not (DEBUG or SECPROF_DEMO)

SECRET_KEY = env.read_secret(ENVIRON, "SECPROF_SECRET_KEY")
SECRET_KEY_FALLBACKS = list(
    env.split_list(env.read_secret(ENVIRON, "SECPROF_SECRET_KEY_FALLBACKS"))
)
SECPROF_CREDENTIAL_KEYS = env.split_list(env.read_secret(ENVIRON, "SECPROF_CREDENTIAL_KEYS"))
ALLOWED_HOSTS = list(env.read_list(ENVIRON, "SECPROF_ALLOWED_HOSTS"))
DATABASE_URL = env.read_secret(ENVIRON, "DATABASE_URL")
REDIS_URL = env.read_secret(ENVIRON, "REDIS_URL")
SECPROF_STATE_DIR = Path(
    env.read_text(ENVIRON, "SECPROF_STATE_DIR", str(BASE_DIR / "var"))
).absolute()

_REQUIRED = {
    "SECPROF_SECRET_KEY": (SECRET_KEY, "50 random characters or more"),
    "SECPROF_CREDENTIAL_KEYS": (SECPROF_CREDENTIAL_KEYS, "a Fernet key, newest first"),
    "SECPROF_ALLOWED_HOSTS": (ALLOWED_HOSTS, "the host names people will use"),
    "DATABASE_URL": (DATABASE_URL, "such as postgres://user:password@host/name"),
    "REDIS_URL": (REDIS_URL, "such as redis://host:6379/0"),
}
_MISSING = [f"{name} ({hint})" for name, (value, hint) in _REQUIRED.items() if not value]
if PRODUCTION and _MISSING:
    raise ImproperlyConfigured(
        f"secprof does not start without {', '.join(_MISSING)}. Set these variables, see deploy/env.sample;"
        " for a try-out run `make demo`, for development set SECPROF_DEBUG=1."
    )
if not PRODUCTION:
    SECPROF_STATE_DIR.mkdir(parents=True, exist_ok=True)
    # Known to everybody, and good for nothing: debug and demo serve loopback only, and `make demo` sets its own.
    SECRET_KEY = SECRET_KEY or "only-for-development-" * 3
    SECPROF_CREDENTIAL_KEYS = SECPROF_CREDENTIAL_KEYS or (
        "ZGV2ZWxvcG1lbnQtb25seS1ub3QtYS1zZWNyZXQtMSE=",
    )
    ALLOWED_HOSTS = ALLOWED_HOSTS or ["127.0.0.1", "localhost", "[::1]"]
    DATABASE_URL = DATABASE_URL or f"sqlite:///{quote(str(SECPROF_STATE_DIR / 'secprof.sqlite3'))}"
    REDIS_URL = REDIS_URL or "redis://127.0.0.1:6379/0"

DATABASES = {"default": env.parse_database_url(DATABASE_URL)}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "csp",
    "django_htmx",
    "policies.apps.PoliciesConfig",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "policies.web.errors.KnownErrors",
    "policies.web.gate.NeedsGrant",
]

ROOT_URLCONF = "secprof_site.urls"
WSGI_APPLICATION = "secprof_site.wsgi.application"

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
                "policies.web.frame.frame",
            ],
        },
    }
]

STATIC_URL = "static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
STATIC_ROOT = Path(env.read_text(ENVIRON, "SECPROF_STATIC_ROOT", str(BASE_DIR / "staticfiles")))
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if DEBUG
        else "whitenoise.storage.CompressedManifestStaticFilesStorage"
    },
}
WHITENOISE_USE_FINDERS = WHITENOISE_AUTOREFRESH = DEBUG

LANGUAGE_CODE = "en-gb"
USE_I18N = False
TIME_ZONE = "UTC"
USE_TZ = True

LOGIN_URL = "policies:login"
LOGIN_REDIRECT_URL = "/"
LOGOUT_REDIRECT_URL = "policies:login"
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 12},
    },
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'none'"],
        "script-src": ["'self'"],
        "style-src": ["'self'"],
        "img-src": ["'self'", "data:"],
        "connect-src": ["'self'"],
        "font-src": ["'self'"],
        "frame-ancestors": ["'none'"],
        "base-uri": ["'none'"],
        "form-action": ["'self'"],
    }
}
X_FRAME_OPTIONS = "DENY"
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = PRODUCTION
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_AGE = env.read_count(ENVIRON, "SECPROF_SESSION_SECONDS", 12 * 3600, minimum=60)
CSRF_TRUSTED_ORIGINS = list(env.read_list(ENVIRON, "SECPROF_TRUSTED_ORIGINS"))
# /healthz is asked by probes that speak plain HTTP to the container.
SECURE_SSL_REDIRECT = PRODUCTION and env.read_flag(ENVIRON, "SECPROF_HTTPS_REDIRECT", default=True)
SECURE_REDIRECT_EXEMPT = [r"^healthz$"]
SECURE_HSTS_SECONDS = (
    env.read_count(ENVIRON, "SECPROF_HSTS_SECONDS", 365 * 86400) if PRODUCTION else 0
)
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = PRODUCTION
if env.read_flag(ENVIRON, "SECPROF_BEHIND_PROXY"):
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"event": {"()": "secprof_site.logs.EventFormatter"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "event"}},
    "root": {
        "handlers": ["stderr"],
        "level": env.read_text(ENVIRON, "SECPROF_LOG_LEVEL", "INFO").upper(),
    },
    "loggers": {"django": {"handlers": [], "propagate": True}},
}

CLUSTER_GATEWAYS = {
    "kubernetes": "policies.cluster.kubernetes.KubernetesGateway",
    "sandbox": "sandbox.gateway.SandboxGateway",
}

SECPROF_COLLECT_INTERVAL_SECONDS = env.read_count(
    ENVIRON, "SECPROF_COLLECT_INTERVAL_SECONDS", 300, minimum=15
)
SECPROF_STALE_AFTER_SECONDS = env.read_count(
    ENVIRON, "SECPROF_STALE_AFTER_SECONDS", 900, minimum=30
)
SECPROF_PROOF_TIMEOUT_SECONDS = env.read_count(
    ENVIRON, "SECPROF_PROOF_TIMEOUT_SECONDS", 30, minimum=1
)
SECPROF_PROOF_IN_A_ROW = env.read_count(ENVIRON, "SECPROF_PROOF_IN_A_ROW", 3, minimum=1)
SECPROF_APPROVAL_LAPSES_SECONDS = env.read_count(
    ENVIRON, "SECPROF_APPROVAL_LAPSES_SECONDS", 72 * 3600, minimum=60
)
SECPROF_EXCEPTION_MAX_DAYS = env.read_count(ENVIRON, "SECPROF_EXCEPTION_MAX_DAYS", 90, minimum=1)
SECPROF_REHEARSAL_LIMIT = env.read_count(ENVIRON, "SECPROF_REHEARSAL_LIMIT", 500, minimum=1)
SECPROF_REHEARSAL_VALID_SECONDS = env.read_count(
    ENVIRON, "SECPROF_REHEARSAL_VALID_SECONDS", 24 * 3600, minimum=60
)
SECPROF_EXCEPTION_NAMESPACE = env.read_text(ENVIRON, "SECPROF_EXCEPTION_NAMESPACE", "kyverno")
SECPROF_TEAM_LABEL = env.read_text(ENVIRON, "SECPROF_TEAM_LABEL", "team")
SECPROF_ALLOW_LOOPBACK_CLUSTERS = env.read_flag(ENVIRON, "SECPROF_ALLOW_LOOPBACK_CLUSTERS")
