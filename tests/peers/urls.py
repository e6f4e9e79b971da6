"""The authorization server's addresses: django-oauth-toolkit's own, an API behind them, and a hand behind the curtain."""

import hashlib

from django.contrib.auth.views import LoginView
from django.http import HttpResponse, JsonResponse
from django.urls import include, path
from django.utils import timezone
from oauth2_provider.contrib.rest_framework import OAuth2Authentication, TokenHasScope
from oauth2_provider.models import AccessToken
from rest_framework.parsers import BaseParser
from rest_framework.permissions import IsAuthenticated
from rest_framework.views import APIView


def received(body):
    """What arrived, in a form that a test can compare."""
    return JsonResponse({"bytes": len(body), "sha256": hashlib.sha256(body).hexdigest()})


class Untouched(BaseParser):
    """Hands over any body as it came; without a parser that takes it, a 415 would come before the 401."""

    media_type = "*/*"

    def parse(self, stream, media_type=None, parser_context=None):
        return stream.read()


class Orders(APIView):
    """The protected API. GET also serves as the question that the gateway asks about a token."""

    authentication_classes = [OAuth2Authentication]
    permission_classes = [IsAuthenticated]
    parser_classes = [Untouched]

    def get(self, request):
        return JsonResponse({"user": request.user.username})

    def post(self, request):
        # An absent body arrives here as an empty dictionary.
        return received(request.data or b"")


class Stock(APIView):
    """What a client may ask for itself, too, without a user."""

    authentication_classes = [OAuth2Authentication]
    permission_classes = [TokenHasScope]
    required_scopes = ["orders"]

    def get(self, request):
        return JsonResponse({"client": request.auth.application.client_id})


def behind_gateway(request):
    """The API behind the gateway: it checks nothing itself."""
    return received(request.body)


def expire(request):
    """Lets one access token die early and its refresh token live; the server has no endpoint for that."""
    AccessToken.objects.filter(token=request.POST["token"]).update(expires=timezone.now())
    return HttpResponse(status=204)


urlpatterns = [
    path("accounts/login/", LoginView.as_view()),
    path("o/", include("oauth2_provider.urls", namespace="oauth2_provider")),
    path("api/orders", Orders.as_view()),
    path("api/stock", Stock.as_view()),
    path("behind/orders", behind_gateway),
    path("curtain/expire", expire),
]
