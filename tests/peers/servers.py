"""Starts, restarts and stops authorization servers that others wrote, on loopback.

    servers.py keys FOLDER                        before the first start
    servers.py start KIND FOLDER PORT LIFETIME    KIND: authlib, glewlwyd, lemonldap, oidc-provider, solid
    servers.py restart FOLDER
    servers.py stop FOLDER

A server keeps all that it writes in its folder. The clients' keys and the certificates are in PEER_KEYS.
"""

import http.cookiejar
import json
import os
import pathlib
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
# As `tests/interop/servers.rs` has them.
ACCOUNT = {"USERNAME": "bob", "PASSWORD": "bobpassword", "CLIENT_ID": "app", "CLIENT_SECRET": "appsecret"}


def key_pair(folder):
    secret, public = folder / "key", folder / "key.pub"
    subprocess.run(["openssl", "genrsa", "-out", secret, "2048"], check=True, stderr=subprocess.DEVNULL)
    subprocess.run(["openssl", "rsa", "-in", secret, "-pubout", "-out", public], check=True, stderr=subprocess.DEVNULL)
    return secret.read_text(), public.read_text()


def openssl(folder, command):
    subprocess.run(["openssl", *command.split()], cwd=folder, check=True, stderr=subprocess.DEVNULL)


def make_keys(folder):
    """What the clients sign with (`ec`, `rsa`, `ed`, `secret`), a key that nobody knows (`stranger`), and certificates."""
    folder.mkdir()
    curve = "EC -pkeyopt ec_paramgen_curve:P-256"
    for name, kind in ("ec", curve), ("stranger", curve), ("rsa", "RSA"), ("ed", "ED25519"), ("authority", curve), ("server", curve):
        openssl(folder, f"genpkey -algorithm {kind} -out {name}.pem")
        openssl(folder, f"pkey -in {name}.pem -pubout -out {name}.pub")
    (folder / "secret").write_text(os.urandom(32).hex())
    openssl(folder, "req -x509 -new -key authority.pem -subj /CN=authority -days 2 -out authority.crt")
    openssl(folder, "req -x509 -new -key ec.pem -subj /CN=client -days 2 -out self-signed.crt")
    (folder / "extensions").write_text("subjectAltName = IP:127.0.0.1\n")
    for name, key in ("server", "server"), ("client", "ec"):
        openssl(folder, f"req -new -key {key}.pem -subj /CN={name} -out {name}.csr")
        openssl(folder, f"x509 -req -in {name}.csr -CA authority.crt -CAkey authority.pem -CAcreateserial -days 2 "
                f"-extfile extensions -out {name}.crt")


class Authlib:
    ready = "/me"

    def prepare(self, at):
        return {"command": [sys.executable, str(HERE / "authlib_server.py")], "env": at.settings()}

    def populate(self, at):
        pass


def node(script, *arguments):
    return [str(pathlib.Path(sys.executable).parent / "node"), str(HERE / script), *arguments]


class OidcProvider:
    ready = "/.well-known/openid-configuration"

    def prepare(self, at):
        return {"command": node("oidc-provider/server.js"), "env": at.settings()}

    def populate(self, at):
        pass


class Solid:
    """Its tokens live for ten minutes, whatever LIFETIME says. The client that it makes up goes into the file `client.json`."""

    ready = "/.well-known/openid-configuration"
    # From no other host it takes an identity that is not encrypted.
    host = "localhost"
    email = "bob@example.com"

    def prepare(self, at):
        account = {"email": self.email, "password": ACCOUNT["PASSWORD"], "pods": [{"name": ACCOUNT["USERNAME"]}]}
        seed = at.folder / "seed.json"
        seed.write_text(json.dumps([account]))
        options = ["--port", str(at.port), "--baseUrl", at.url("/"), "--seedConfig", str(seed), "--loggingLevel", "warn"]
        return {"command": node("solid/server.js", *options), "env": {}}

    def populate(self, at):
        def ask(url, value=None, token=None):
            headers = {"Accept": "application/json"}
            if token:
                headers["Authorization"] = f"CSS-Account-Token {token}"
            body = None
            if value is not None:
                headers["Content-Type"] = "application/json"
                body = json.dumps(value).encode()
            return json.loads(urllib.request.urlopen(urllib.request.Request(url, body, headers)).read())

        account = at.url("/.account/")
        login = ask(account)["controls"]["password"]["login"]
        token = ask(login, {"email": self.email, "password": ACCOUNT["PASSWORD"]})["authorization"]
        web_id = at.url(f"/{ACCOUNT['USERNAME']}/profile/card#me")
        made = ask(ask(account, token=token)["controls"]["account"]["clientCredentials"], {"name": "app", "webId": web_id}, token)
        client = {"id": made["id"], "secret": made["secret"], "web_id": web_id}
        (at.folder / "client.json").write_text(json.dumps(client))


class Glewlwyd:
    ready = "/config"
    modules = "/usr/lib/glewlwyd"
    schema = "/usr/share/dbconfig-common/data/glewlwyd/install/sqlite3"

    def prepare(self, at):
        database = at.folder / "database"
        with open(self.schema) as schema:
            subprocess.run(["sqlite3", database], stdin=schema, check=True)
        values = {
            "port": at.port,
            "bind_address": "127.0.0.1",
            "external_url": at.url(""),
            "api_prefix": "api",
            "login_url": "login.html",
            "log_mode": "console",
            "log_level": "WARNING",
            "session_key": "SESSION",
            "admin_scope": "g_admin",
            "profile_scope": "g_profile",
            "hash_algorithm": "SHA512",
        }
        for name, kind in ("user", "user"), ("client", "client"), ("user_auth_scheme", "scheme"), ("plugin", "plugin"):
            values[f"{name}_module_path"] = f"{self.modules}/{kind}"
        lines = [f"{name} = {json.dumps(value)}" for name, value in values.items()]
        lines.append(f'database = {{ type = "sqlite3"; path = "{database}"; }};')
        config = at.folder / "config"
        config.write_text("\n".join(lines) + "\n")
        return {"command": ["glewlwyd", "--config-file", str(config)], "env": {}}

    def populate(self, at):
        cookies = urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
        opener = urllib.request.build_opener(cookies)

        def post(path, value):
            body = json.dumps(value).encode()
            asked = urllib.request.Request(at.url(f"/api/{path}/"), body, {"Content-Type": "application/json"})
            opener.open(asked).read()

        post("auth", {"username": "admin", "password": "password"})
        post("scope", {"name": "api", "display_name": "api", "password_required": False})
        secret, public = key_pair(at.folder)
        switches = """allow-non-oidc auth-type-password-enabled auth-type-client-enabled auth-type-refresh-enabled
            refresh-token-rolling request-parameter-allow
            introspection-revocation-allowed introspection-revocation-allow-target-client"""
        keys = pathlib.Path(os.environ["PEER_KEYS"])
        parameters = {
            "iss": at.url("/api/oidc"),
            "jwt-type": "rsa",
            "jwt-key-size": "256",
            "key": secret,
            "cert": public,
            "subject-type": "public",
            "access-token-duration": at.lifetime,
            "refresh-token-duration": 86400,
            "code-duration": 600,
            "refresh-token-one-use": "always",
            "client-pubkey-parameter": "pubkey",
            "oauth-dpop-allowed": True,
            # Without them a proof is good in the very second in which it was made.
            "oauth-dpop-iat-duration": 60,
            "oauth-dpop-iat-gap-duration": 60,
            **{switch: True for switch in switches.split()},
        }
        plugin = {"module": "oidc", "name": "oidc", "display_name": "oidc", "enabled": True, "parameters": parameters}
        post("mod/plugin", plugin)
        scope = ["api", "openid"]

        def client(name, method, types, **more):
            post("client", {
                "client_id": name,
                "name": name,
                "confidential": True,
                "enabled": True,
                "scope": scope,
                "redirect_uri": ["http://127.0.0.1/"],
                "authorization_type": ["client_credentials", "delete_token", *types],
                "token_endpoint_auth_method": [method],
                **more,
            })

        secret = ACCOUNT["CLIENT_SECRET"]
        client(ACCOUNT["CLIENT_ID"], "client_secret_basic", ["password", "refresh_token"], password=secret)
        for name, key in ("es256", "ec"), ("rs256", "rsa"), ("ps256", "rsa"), ("eddsa", "ed"):
            client(name, "private_key_jwt", [], pubkey=(keys / f"{key}.pub").read_text())
        shared = (keys / "secret").read_text()
        client("hs256", "client_secret_jwt", [], password=shared, client_secret=shared)
        user = {"username": ACCOUNT["USERNAME"], "password": ACCOUNT["PASSWORD"]}
        post("user", {**user, "name": "user", "enabled": True, "scope": scope})


class LemonLdap:
    """Its demonstration users have their names as passwords."""

    ready = "/.well-known/openid-configuration"
    defaults = "/var/lib/lemonldap-ng/conf/lmConf-1.json"
    ini = "/etc/lemonldap-ng/lemonldap-ng.ini"

    def prepare(self, at):
        for name in "conf", "cache", "sessions/lock", "persistent/lock":
            (at.folder / name).mkdir(parents=True)
        secret, public = key_pair(at.folder)
        config = json.loads(pathlib.Path(self.defaults).read_text())
        client = {
            "ClientID": ACCOUNT["CLIENT_ID"],
            "ClientSecret": ACCOUNT["CLIENT_SECRET"],
            "AllowPasswordGrant": 1,
            "AllowClientCredentialsGrant": 1,
            "RefreshToken": 1,
            "BypassConsent": 1,
            "IDTokenSignAlg": "RS256",
            "RedirectUris": "http://127.0.0.1/",
        }
        store = lambda name: {"Directory": str(at.folder / name), "LockDirectory": str(at.folder / name / "lock")}
        config |= {
            "portal": at.url("/"),
            "domain": "127.0.0.1",
            "issuerDBOpenIDConnectActivation": 1,
            # Both would ask for Perl modules that the portal alone does not need.
            "captcha": "::Plugins::History",
            "registerDB": "Null",
            "portalDisplayResetPassword": 0,
            "oidcServicePrivateKeySig": secret,
            "oidcServicePublicKeySig": public,
            "oidcServiceKeyIdSig": "key",
            "oidcServiceAccessTokenExpiration": at.lifetime,
            "globalStorageOptions": store("sessions"),
            "persistentStorageOptions": store("persistent"),
            "localSessionStorageOptions": {"cache_root": str(at.folder / "cache")},
            "oidcRPMetaDataExportedVars": {"client": {"name": "cn"}},
            "oidcRPMetaDataOptions": {"client": {f"oidcRPMetaDataOptions{name}": value for name, value in client.items()}},
        }
        (at.folder / "conf/lmConf-1.json").write_text(json.dumps(config))
        lines = []
        for line in pathlib.Path(self.ini).read_text().splitlines():
            name = line.split("=")[0].strip()
            if name == "dirName":
                line = f"dirName = {at.folder}/conf"
            elif "'cache_root'" in line:
                line = f"  'cache_root' => '{at.folder}/cache',\\"
            lines.append(line)
        ini = at.folder / "lemonldap-ng.ini"
        ini.write_text("\n".join(lines) + "\n")
        portal = "use Lemonldap::NG::Portal::Main; Lemonldap::NG::Portal::Main->run({})"
        command = ["plackup", "-E", "deployment", "-o", "127.0.0.1", "-p", str(at.port), "-e", portal]
        return {"command": command, "env": {"LLNG_DEFAULTCONFFILE": str(ini)}}

    def populate(self, at):
        pass


KINDS = {
    "authlib": Authlib,
    "glewlwyd": Glewlwyd,
    "lemonldap": LemonLdap,
    "oidc-provider": OidcProvider,
    "solid": Solid,
}


class At:
    """Where a server runs."""

    def __init__(self, folder, kind=None, port=None, lifetime=None):
        self.folder = pathlib.Path(folder)
        if kind is None:
            kept = json.loads((self.folder / "kept.json").read_text())
            kind, port, lifetime, self.run = kept["kind"], kept["port"], kept["lifetime"], kept["run"]
        self.kind, self.port, self.lifetime = kind, port, lifetime
        self.server = KINDS[kind]()

    def url(self, path):
        host = getattr(self.server, "host", "127.0.0.1")
        return f"http://{host}:{self.port}{path}"

    def settings(self):
        keys = os.environ["PEER_KEYS"]
        return {**ACCOUNT, "PORT": str(self.port), "LIFETIME": str(self.lifetime), "KEYS": keys}

    def keep(self):
        kept = {"kind": self.kind, "port": self.port, "lifetime": self.lifetime, "run": self.run}
        (self.folder / "kept.json").write_text(json.dumps(kept))

    def launch(self):
        """Ends when the server answers, whatever it answers."""
        with open(self.folder / "log", "ab") as log:
            env = os.environ | self.run["env"]
            process = subprocess.Popen(
                self.run["command"], cwd=self.folder, env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True,
            )
        (self.folder / "pid").write_text(str(process.pid))
        deadline = time.monotonic() + 60
        while True:
            try:
                urllib.request.urlopen(self.url(self.server.ready), timeout=5).read()
                return
            except urllib.error.HTTPError:
                return
            except OSError:
                if process.poll() is not None or time.monotonic() > deadline:
                    sys.exit(f"{self.kind} does not answer:\n{(self.folder / 'log').read_text()[-4000:]}")
                time.sleep(0.05)

    def stop(self):
        pid = int((self.folder / "pid").read_text())
        try:
            os.killpg(pid, signal.SIGKILL)
        except ProcessLookupError:
            return
        # Whoever started it may have left it to us or not: gone is when its group has no process that runs.
        while running(pid):
            time.sleep(0.02)


def running(pid):
    try:
        stat = pathlib.Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False
    return stat.rsplit(")", 1)[1].split()[0] != "Z"


def main(what, *arguments):
    if what == "keys":
        make_keys(pathlib.Path(*arguments))
    elif what == "start":
        kind, folder, port, lifetime = arguments
        at = At(folder, kind, int(port), int(lifetime))
        at.folder.mkdir(parents=True)
        at.run = at.server.prepare(at)
        at.keep()
        at.launch()
        at.server.populate(at)
    elif what == "restart":
        at = At(*arguments)
        at.stop()
        at.launch()
    elif what == "stop":
        At(*arguments).stop()
    else:
        sys.exit(__doc__)


main(*sys.argv[1:])
