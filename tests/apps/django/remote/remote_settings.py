"""The project's own settings, and what Django's manual says of authentication by REMOTE_USER."""

from .settings import *
from .settings import MIDDLEWARE

after = MIDDLEWARE.index("django.contrib.auth.middleware.AuthenticationMiddleware") + 1
MIDDLEWARE = [*MIDDLEWARE[:after], "mysite.remote_user.HeaderRemoteUserMiddleware", *MIDDLEWARE[after:]]
AUTHENTICATION_BACKENDS = ["django.contrib.auth.backends.RemoteUserBackend"]
