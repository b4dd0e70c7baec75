"""Who stands before Django names the user in the header Remote-User, which WSGI servers call HTTP_REMOTE_USER."""

from django.contrib.auth.middleware import RemoteUserMiddleware


class HeaderRemoteUserMiddleware(RemoteUserMiddleware):
    header = "HTTP_REMOTE_USER"
