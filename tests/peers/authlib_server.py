"""An authorization server by Authlib with an API of its own, in memory: a restart forgets every token.

PORT, LIFETIME (seconds), CLIENT_ID, CLIENT_SECRET, USERNAME, PASSWORD
"""

import os
import time

from authlib.integrations.flask_oauth2 import AuthorizationServer, ResourceProtector, current_token
from authlib.oauth2.rfc6749 import ClientMixin, TokenMixin, grants
from authlib.oauth2.rfc6750 import BearerTokenValidator
from authlib.oauth2.rfc7009 import RevocationEndpoint
from flask import Flask, jsonify, request

LIFETIME = int(os.environ["LIFETIME"])
AUTH_METHODS = ["client_secret_basic"]
tokens = []


class Client(ClientMixin):
    def get_client_id(self):
        return os.environ["CLIENT_ID"]

    def get_allowed_scope(self, scope):
        return scope or ""

    def check_client_secret(self, secret):
        return secret == os.environ["CLIENT_SECRET"]

    def check_endpoint_auth_method(self, method, endpoint):
        return method in AUTH_METHODS

    def check_grant_type(self, name):
        return name in ("password", "refresh_token", "client_credentials")


class Token(TokenMixin):
    def __init__(self, issued, user):
        self.access_token, self.refresh_token = issued["access_token"], issued.get("refresh_token")
        self.user, self.scope = user, issued.get("scope", "")
        self.born, self.access_dead, self.refresh_dead = time.time(), False, False

    def check_client(self, client):
        return True

    def get_client(self):
        return client

    def get_user(self):
        return self.user

    def get_scope(self):
        return self.scope

    def get_expires_in(self):
        return LIFETIME

    def is_expired(self):
        return time.time() > self.born + LIFETIME

    def is_revoked(self):
        return self.access_dead


def find(text):
    return next((one for one in tokens if text in (one.access_token, one.refresh_token)), None)


class Password(grants.ResourceOwnerPasswordCredentialsGrant):
    TOKEN_ENDPOINT_AUTH_METHODS = AUTH_METHODS

    def authenticate_user(self, username, password):
        return username if (username, password) == (os.environ["USERNAME"], os.environ["PASSWORD"]) else None


class Refresh(grants.RefreshTokenGrant):
    TOKEN_ENDPOINT_AUTH_METHODS = AUTH_METHODS
    INCLUDE_NEW_REFRESH_TOKEN = True

    def authenticate_refresh_token(self, text):
        found = find(text)
        return found if found and found.refresh_token == text and not found.refresh_dead else None

    def authenticate_user(self, token):
        return token.user

    def revoke_old_credential(self, token):
        token.access_dead = token.refresh_dead = True


class ClientCredentials(grants.ClientCredentialsGrant):
    TOKEN_ENDPOINT_AUTH_METHODS = AUTH_METHODS


class Revocation(RevocationEndpoint):
    CLIENT_AUTH_METHODS = AUTH_METHODS

    def query_token(self, text, hint):
        return find(text)

    def revoke_token(self, token, request):
        token.access_dead = token.refresh_dead = True


class Validator(BearerTokenValidator):
    def authenticate_token(self, text):
        return next((one for one in tokens if one.access_token == text), None)


client = Client()
app = Flask(__name__)
app.config["OAUTH2_TOKEN_EXPIRES_IN"] = dict.fromkeys(["password", "refresh_token", "client_credentials"], LIFETIME)
app.config["OAUTH2_REFRESH_TOKEN_GENERATOR"] = True
server = AuthorizationServer(
    app,
    query_client=lambda name: client if name == client.get_client_id() else None,
    save_token=lambda issued, asked: tokens.append(Token(issued, asked.user)),
)
for grant in Password, Refresh, ClientCredentials:
    server.register_grant(grant)
server.register_endpoint(Revocation)
protected = ResourceProtector()
protected.register_token_validator(Validator())


@app.post("/token")
def token():
    return server.create_token_response()


@app.post("/revoke")
def revoke():
    return server.create_endpoint_response("revocation")


@app.route("/me", methods=["GET", "POST"])
@protected()
def me():
    return jsonify(user=current_token.user, size=len(request.get_data()))


if __name__ == "__main__":
    app.run("127.0.0.1", int(os.environ["PORT"]))
