"""Settings: one module for every installation, driven by the environment (all variables: deploy/env.sample).

Three ways to run: production (nothing set), SECPROF_DEMO=1 (one machine, plain HTTP on loopback) and
SECPROF_DEBUG=1 (development and tests). Production refuses to start while something it needs is missing.
"""

import os
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured

from secprof_site import env, sign_in

BASE_DIR = Path(__file__).resolve().parent.parent
environ = os.environ

DEBUG = env.read_flag(environ, "SECPROF_DEBUG")
SECPROF_DEMO = env.read_flag(environ, "SECPROF_DEMO")
PRODUCTION = not (DEBUG or SECPROF_DEMO)

SECRET_KEY = env.read_secret(environ, "SECPROF_SECRET_KEY")
SECRET_KEY_FALLBACKS = list(
    env.split_list(env.read_secret(environ, "SECPROF_SECRET_KEY_FALLBACKS"))
)
SECPROF_CREDENTIAL_KEYS = env.split_list(env.read_secret(environ, "SECPROF_CREDENTIAL_KEYS"))
ALLOWED_HOSTS = list(env.read_list(environ, "SECPROF_ALLOWED_HOSTS"))
DATABASE_URL = env.read_secret(environ, "DATABASE_URL")
REDIS_URL = env.read_secret(environ, "REDIS_URL")
SECPROF_STATE_DIR = Path(
    env.read_text(environ, "SECPROF_STATE_DIR", str(BASE_DIR / "var"))
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
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.usersessions",
    "allauth.socialaccount",
    "allauth.socialaccount.providers.openid_connect",
    "csp",
    "django_htmx",
    "policies.apps.PoliciesConfig",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "policies.web.headers.PageHeaders",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "policies.web.limits.Limits",
    "allauth.account.middleware.AccountMiddleware",
    "policies.web.sign_in.sessions.SessionLimits",
    "policies.web.sign_in.second_factor.SecondFactor",
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
STATIC_ROOT = Path(env.read_text(environ, "SECPROF_STATIC_ROOT", str(BASE_DIR / "staticfiles")))
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

# Signing in: what it does is in policies/web/sign_in, what people read about it in docs/sign-in.md.
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
SECPROF_OIDC = sign_in.read_oidc(environ, plain_loopback=not PRODUCTION)
SECPROF_SECOND_FACTOR_FOR = sign_in.read_second_factor_for(environ)
SECPROF_SECOND_FACTOR_SECONDS = env.read_count(
    environ, "SECPROF_SECOND_FACTOR_SECONDS", 900, minimum=30
)
CACHES = sign_in.caches(REDIS_URL, local=DEBUG)
ALLAUTH_TRUSTED_PROXY_COUNT = env.read_count(environ, "SECPROF_TRUSTED_PROXIES", 0)
ACCOUNT_ADAPTER = "policies.web.sign_in.accounts.AccountAdapter"
ACCOUNT_FORMS = {"login": "policies.web.sign_in.forms.SignInForm"}
ACCOUNT_LOGIN_METHODS = {"username"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "password1*"]
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_SESSION_REMEMBER = True
ACCOUNT_USERNAME_BLACKLIST = ["system", "anonymous"]
MFA_ADAPTER = "policies.web.sign_in.factors.FactorAdapter"
MFA_FORMS = {
    "add_webauthn": "policies.web.sign_in.forms.AddPasskeyForm",
    "authenticate_webauthn": "policies.web.sign_in.forms.GivePasskeyForm",
    "login_webauthn": "policies.web.sign_in.forms.SignInPasskeyForm",
    "reauthenticate_webauthn": "policies.web.sign_in.forms.ConfirmPasskeyForm",
}
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_RECOVERY_CODES_SHOW_ONCE = True
MFA_ALLOW_UNVERIFIED_EMAIL = True
SOCIALACCOUNT_ADAPTER = "policies.web.sign_in.provider.ProviderAdapter"
SOCIALACCOUNT_PROVIDERS = sign_in.providers(SECPROF_OIDC)
SOCIALACCOUNT_EMAIL_VERIFICATION = "none"
SOCIALACCOUNT_REQUESTS_TIMEOUT = 10

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
        "object-src": ["'none'"],
        "frame-ancestors": ["'none'"],
        "base-uri": ["'none'"],
        "form-action": ["'self'"],
    }
}
X_FRAME_OPTIONS = "DENY"
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
# The prefix ties a cookie to this very host, and browsers take it over TLS only.
SECPROF_COOKIE_PREFIX = "__Host-" if PRODUCTION else ""
SESSION_COOKIE_NAME = f"{SECPROF_COOKIE_PREFIX}sessionid"
CSRF_COOKIE_NAME = f"{SECPROF_COOKIE_PREFIX}csrftoken"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = PRODUCTION
SESSION_COOKIE_HTTPONLY = CSRF_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
# Messages would have a cookie of their own.
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"
SESSION_COOKIE_AGE = env.read_count(environ, "SECPROF_SESSION_SECONDS", 12 * 3600, minimum=60)
CSRF_TRUSTED_ORIGINS = list(env.read_list(environ, "SECPROF_TRUSTED_ORIGINS"))
SECPROF_SESSION_IDLE_SECONDS = env.read_count(
    environ, "SECPROF_SESSION_IDLE_SECONDS", 1800, minimum=60
)
# /healthz is asked by probes that speak plain HTTP to the container.
SECURE_SSL_REDIRECT = PRODUCTION and env.read_flag(environ, "SECPROF_HTTPS_REDIRECT", default=True)
SECURE_REDIRECT_EXEMPT = [r"^healthz$"]
SECURE_HSTS_SECONDS = (
    env.read_count(environ, "SECPROF_HSTS_SECONDS", 365 * 86400) if PRODUCTION else 0
)
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = PRODUCTION
if env.read_flag(environ, "SECPROF_BEHIND_PROXY"):
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

# One form with everything in it. The largest text that is taken is a profile or policies of 1 MiB, three times as long
# when a browser has escaped each of its bytes.
SECPROF_MAX_BODY_BYTES = 4 * 2**20
DATA_UPLOAD_MAX_MEMORY_SIZE = SECPROF_MAX_BODY_BYTES
FILE_UPLOAD_MAX_MEMORY_SIZE = SECPROF_MAX_BODY_BYTES
# A flip names at most some thousand namespaces, each in a field of its own.
DATA_UPLOAD_MAX_NUMBER_FIELDS = 5000
DATA_UPLOAD_MAX_NUMBER_FILES = 2
DEFAULT_EXCEPTION_REPORTER_FILTER = "policies.web.reports.NamesOnly"
CSRF_FAILURE_VIEW = "policies.web.errors.csrf_failure"

# What no line of a log may hold, whoever wrote it. Secrets of clusters are kept out where they are used.
_SECRETS = [
    SECRET_KEY,
    *SECRET_KEY_FALLBACKS,
    *SECPROF_CREDENTIAL_KEYS,
    *([SECPROF_OIDC.client_secret] if SECPROF_OIDC else []),
    env.read_secret(environ, "SECPROF_TRAIL_KEY"),
    *(
        word
        for url in (DATABASE_URL, REDIS_URL)
        if (password := urlsplit(url).password)
        for word in (password, unquote(password))
    ),
]
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"event": {"()": "secprof_site.logs.EventFormatter", "hidden": _SECRETS}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "event"}},
    "root": {
        "handlers": ["stderr"],
        "level": env.read_text(environ, "SECPROF_LOG_LEVEL", "INFO").upper(),
    },
    "loggers": {"django": {"handlers": [], "propagate": True}},
}

CLUSTER_GATEWAYS = {
    "kubernetes": "policies.cluster.kubernetes.KubernetesGateway",
    "sandbox": "sandbox.gateway.SandboxGateway",
}

SECPROF_COLLECT_INTERVAL_SECONDS = env.read_count(
    environ, "SECPROF_COLLECT_INTERVAL_SECONDS", 300, minimum=15
)
SECPROF_CATCH_UP_SECONDS = env.read_count(environ, "SECPROF_CATCH_UP_SECONDS", 10, minimum=1)
SECPROF_LIST_INTERVAL_SECONDS = env.read_count(
    environ, "SECPROF_LIST_INTERVAL_SECONDS", 3600, minimum=60
)
SECPROF_STALE_AFTER_SECONDS = env.read_count(
    environ, "SECPROF_STALE_AFTER_SECONDS", 900, minimum=30
)
SECPROF_PROOF_TIMEOUT_SECONDS = env.read_count(
    environ, "SECPROF_PROOF_TIMEOUT_SECONDS", 30, minimum=1
)
SECPROF_PROOF_IN_A_ROW = env.read_count(environ, "SECPROF_PROOF_IN_A_ROW", 3, minimum=1)
SECPROF_APPROVAL_LAPSES_SECONDS = env.read_count(
    environ, "SECPROF_APPROVAL_LAPSES_SECONDS", 72 * 3600, minimum=60
)
SECPROF_DENIAL_DAYS = env.read_count(environ, "SECPROF_DENIAL_DAYS", 30, minimum=1)
SECPROF_HISTORY_DAYS = env.read_count(environ, "SECPROF_HISTORY_DAYS", 400, minimum=1)
SECPROF_RUN_DAYS = env.read_count(environ, "SECPROF_RUN_DAYS", 90, minimum=1)
SECPROF_EXCEPTION_MAX_DAYS = env.read_count(environ, "SECPROF_EXCEPTION_MAX_DAYS", 90, minimum=1)
SECPROF_EXCEPTION_NAMESPACE = env.read_text(environ, "SECPROF_EXCEPTION_NAMESPACE", "kyverno")
SECPROF_REHEARSAL_LIMIT = env.read_count(environ, "SECPROF_REHEARSAL_LIMIT", 500, minimum=1)
SECPROF_REHEARSAL_VALID_SECONDS = env.read_count(
    environ, "SECPROF_REHEARSAL_VALID_SECONDS", 24 * 3600, minimum=60
)
SECPROF_TEAM_LABEL = env.read_text(environ, "SECPROF_TEAM_LABEL", "team")
SECPROF_ALLOW_LOOPBACK_CLUSTERS = env.read_flag(environ, "SECPROF_ALLOW_LOOPBACK_CLUSTERS")

# Signs the trail's head; without it heads are kept unsigned, and the trail's page says so.
SECPROF_TRAIL_KEY = env.read_seed(environ, "SECPROF_TRAIL_KEY", length=32)
SECPROF_INSTALLATION = env.read_text(
    environ, "SECPROF_INSTALLATION", next(iter(ALLOWED_HOSTS), "secprof")
)
SECPROF_TRAIL_CHECK_SECONDS = env.read_count(
    environ, "SECPROF_TRAIL_CHECK_SECONDS", 24 * 3600, minimum=60
)
