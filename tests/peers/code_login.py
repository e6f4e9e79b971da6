"""Logs in at the backend-for-frontend with a code of the authorization server, as a browser would, and works there."""

import json
import os
import re
from http.cookiejar import CookieJar, DefaultCookiePolicy
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import HTTPCookieProcessor, build_opener

import django

django.setup()

from django.utils import timezone  # noqa: E402
from oauth2_provider.models import AccessToken  # noqa: E402

bff, server, user = (os.environ[name] for name in ("PEER_BFF", "PEER_SERVER", "PEER_USERNAME"))
# Secure cookies go to localhost over http as well, as browsers have it.
policy = DefaultCookiePolicy(secure_protocols=("http", "https"))
browser = build_opener(HTTPCookieProcessor(CookieJar(policy)))


def send(url, form=None):
    """Status, address and text of the page that the redirects lead to."""
    body = None if form is None else urlencode(form).encode()
    try:
        page = browser.open(url, body, timeout=30)
    except HTTPError as error:
        page = error
    return page.status, page.url, page.read().decode()


def live_tokens():
    return AccessToken.objects.filter(application__client_id="bff", expires__gt=timezone.now())


def orders():
    status, _, text = send(f"{bff}/api/orders")
    return status, json.loads(text)


assert orders() == (401, {"error": "login_required"})

# To the authorization server, which asks who is there.
status, address, text = send(f"{bff}/login", {})
assert status == 200 and address.startswith(f"{server}/accounts/login/"), (status, address)
token = re.search('name="csrfmiddlewaretoken" value="([^"]+)"', text)[1]
# And back, with a code.
answer = {"username": user, "password": os.environ["PEER_PASSWORD"], "csrfmiddlewaretoken": token}
status, address, _ = send(address, answer)
assert (status, address) == (200, f"{bff}/"), (status, address)
assert orders() == (200, {"user": user})
assert live_tokens().count() == 1

# The token dies, and the refresh token heals that.
live_tokens().update(expires=timezone.now())
assert orders() == (200, {"user": user})
assert live_tokens().count() == 1

status, address, text = send(f"{bff}/logout", {})
assert (status, address) == (200, f"{bff}/login") and "logged out" in text, (status, address)
assert live_tokens().count() == 0
assert orders() == (401, {"error": "login_required"})
print("a login with a code, a renewal and a logout at the backend-for-frontend")
