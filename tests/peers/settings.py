"""Django settings of the authorization server that the interop tests talk to."""

import os

SECRET_KEY = "only ever served on loopback, to tests"
ALLOWED_HOSTS = ["127.0.0.1"]
ROOT_URLCONF = "urls"
USE_TZ = True
INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "oauth2_provider",
    "rest_framework",
]
# For the page where a user logs in, on the way to an authorization code.
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
]
LOGIN_PAGE = "<form method=post>{% csrf_token %}{{ form }}</form>"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "OPTIONS": {
            "loaders": [("django.template.loaders.locmem.Loader", {"registration/login.html": LOGIN_PAGE})],
        },
    }
]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": os.environ["PEER_DATABASE"]}}
# Hashing that is slow on purpose would measure the server's processor, a hundred times over.
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
DATA_UPLOAD_MAX_MEMORY_SIZE = None

OAUTH2_PROVIDER = {
    "SCOPES": {"orders": "Read and place orders"},
    "DEFAULT_SCOPES": ["orders"],
    "ACCESS_TOKEN_EXPIRE_SECONDS": 3600,
    "ROTATE_REFRESH_TOKEN": True,
    # A refresh token that is used twice takes its whole grant with it (RFC 9700 section 4.14.2), at once: this is what
    # makes a second refresh in the same storm visible.
    "REFRESH_TOKEN_REUSE_PROTECTION": True,
    "REFRESH_TOKEN_GRACE_PERIOD_SECONDS": 0,
}
