"""A real OpenID Connect provider as a process of its own: django-oauth-toolkit on loopback, with people from a file.

`python -m tests.oidc.provider PORT ISSUER DIRECTORY`. It asks for name and password, insists on PKCE and on the client's
secret, signs with its own key, and reads from DIRECTORY/people.json what to claim about whom.
"""

import json
import os
import socketserver
import sys
import threading
from pathlib import Path
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from django.conf import settings

CLIENT_ID, CLIENT_SECRET = "secprof", "a:secret/with%odd&characters"
PASSWORD = "only-for-tests-1"
CALLBACKS = (
    "http://testserver/login/oidc/callback/",
    "http://localhost/login/oidc/callback/",
)


def new_key() -> str:
    """Make the key that tokens are signed with."""
    key = rsa.generate_private_key(65537, 2048)
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()


def configure(issuer: str, directory: Path) -> None:
    """Set up Django for the provider alone; nothing of secprof is in this process."""
    settings.configure(
        SECRET_KEY="only-for-tests-" * 4,
        ALLOWED_HOSTS=["*"],
        ROOT_URLCONF="tests.oidc.urls",
        USE_TZ=True,
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        DATABASES={
            "default": {
                "ENGINE": "django.db.backends.sqlite3",
                "NAME": directory / "provider.sqlite3",
                "OPTIONS": {
                    "timeout": 20,
                    "transaction_mode": "IMMEDIATE",
                    # Nothing of it outlives its process.
                    "init_command": "PRAGMA journal_mode=MEMORY;PRAGMA synchronous=OFF;",
                },
            }
        },
        INSTALLED_APPS=[
            "django.contrib.auth",
            "django.contrib.contenttypes",
            "django.contrib.sessions",
            "oauth2_provider",
        ],
        MIDDLEWARE=[
            "django.contrib.sessions.middleware.SessionMiddleware",
            "django.contrib.auth.middleware.AuthenticationMiddleware",
        ],
        TEMPLATES=[
            {
                "BACKEND": "django.template.backends.django.DjangoTemplates",
                "DIRS": [Path(__file__).parent / "templates"],
                "APP_DIRS": True,
                "OPTIONS": {"context_processors": ["django.template.context_processors.request"]},
            }
        ],
        PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],
        SESSION_COOKIE_NAME="provider-session",
        LOGIN_URL="/people/login/",
        PEOPLE=directory / "people.json",
        OAUTH2_PROVIDER={
            "OIDC_ENABLED": True,
            "OIDC_ISS_ENDPOINT": issuer,
            "OIDC_RSA_PRIVATE_KEY": new_key(),
            "OAUTH2_VALIDATOR_CLASS": "tests.oidc.claims.Claims",
            "SCOPES": {"openid": "Who you are", "profile": "Your name"},
            "PKCE_REQUIRED": True,
        },
    )


def fill() -> None:
    """Make the client, and one account for each of the people."""
    from django.contrib.auth.models import User
    from django.core.management import call_command
    from oauth2_provider.models import Application

    call_command("migrate", verbosity=0)
    Application.objects.create(
        name="secprof",
        client_id=CLIENT_ID,
        client_secret=CLIENT_SECRET,
        client_type=Application.CLIENT_CONFIDENTIAL,
        authorization_grant_type=Application.GRANT_AUTHORIZATION_CODE,
        redirect_uris=" ".join((*CALLBACKS, *sys.argv[4:])),
        algorithm=Application.RS256_ALGORITHM,
        skip_authorization=True,
    )
    for name in json.loads(settings.PEOPLE.read_text()):
        User.objects.create_user(name, password=PASSWORD)


class Server(socketserver.ThreadingMixIn, WSGIServer):
    daemon_threads = True


class Quiet(WSGIRequestHandler):
    def log_message(self, *_: object) -> None:
        """Say nothing."""


def _end_with_parent() -> None:
    # The other end of the pipe closes when the tests end, however they do.
    sys.stdin.read()
    os._exit(0)


def main() -> None:
    port, issuer, directory = int(sys.argv[1]), sys.argv[2], Path(sys.argv[3])
    # The only thing that it lets pass: plain HTTP on loopback.
    os.environ["OAUTHLIB_INSECURE_TRANSPORT"] = "1"
    configure(issuer, directory)
    import django
    from django.core.wsgi import get_wsgi_application

    django.setup()
    fill()
    server = Server(("127.0.0.1", port), Quiet)
    server.set_app(get_wsgi_application())
    threading.Thread(target=_end_with_parent, daemon=True).start()
    (directory / "ready").touch()
    server.serve_forever()


if __name__ == "__main__":
    main()
