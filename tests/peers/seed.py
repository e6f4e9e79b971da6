"""Creates the database, the one user, and the clients: the tests', one that stands for itself, the backend-for-frontend's,
which logs in with a code, and the gateway's, which may only ask about tokens.

The server's tokens are independent, so all tests share them.
"""

import os

import django

django.setup()

from django.contrib.auth.models import User  # noqa: E402
from django.core.management import call_command  # noqa: E402
from oauth2_provider.models import Application  # noqa: E402

call_command("migrate", verbosity=0)
User.objects.create_user(os.environ["PEER_USERNAME"], password=os.environ["PEER_PASSWORD"])
Application.objects.create(
    client_id=os.environ["PEER_CLIENT_ID"],
    client_secret=os.environ["PEER_CLIENT_SECRET"],
    client_type=Application.CLIENT_CONFIDENTIAL,
    authorization_grant_type=Application.GRANT_PASSWORD,
)
Application.objects.create(
    client_id="service",
    client_secret=os.environ["PEER_CLIENT_SECRET"],
    client_type=Application.CLIENT_CONFIDENTIAL,
    authorization_grant_type=Application.GRANT_CLIENT_CREDENTIALS,
)
Application.objects.create(
    client_id="bff",
    client_secret=os.environ["PEER_CLIENT_SECRET"],
    client_type=Application.CLIENT_CONFIDENTIAL,
    authorization_grant_type=Application.GRANT_AUTHORIZATION_CODE,
    redirect_uris=os.environ["PEER_BFF"] + "/callback",
    skip_authorization=True,
)
Application.objects.create(
    client_id="gateway",
    client_secret="gateway-secret",
    client_type=Application.CLIENT_CONFIDENTIAL,
    authorization_grant_type=Application.GRANT_CLIENT_CREDENTIALS,
)
