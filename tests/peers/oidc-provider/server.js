// An OpenID provider by `oidc-provider`, with an API of its own and with the grants of `grants.js`, which it does not bring along.
// In memory: a restart forgets every token.
//   PORT, LIFETIME (seconds), CLIENT_ID, CLIENT_SECRET, USERNAME, PASSWORD
//   KEYS, the folder that `servers.py keys` filled
// It listens for https as well, on a port that the system chooses and that it writes into the file `tls-port`.

import { createPublicKey, randomBytes, X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:https'
import { errors, Provider } from 'oidc-provider'

import { JWT_BEARER, registerGrants, resourceServer, TOKEN_EXCHANGE } from './grants.js'

const { PORT, LIFETIME, CLIENT_ID, CLIENT_SECRET, USERNAME, KEYS } = process.env
const lifetime = Number(LIFETIME)
const kept = (name) => readFileSync(`${KEYS}/${name}`, 'utf8')

let answer
// It asks for a certificate and judges none: that is the provider's work.
const tls = createServer({
  cert: kept('server.crt'), key: kept('server.pem'), ca: kept('authority.crt'), requestCert: true, rejectUnauthorized: false,
}, (request, response) => answer(request, response)).listen(0, '127.0.0.1')
await once(tls, 'listening')
const { port: tlsPort } = tls.address()
writeFileSync('tls-port', String(tlsPort))

const client = (id, grants, more) => ({ client_id: id, grant_types: grants, redirect_uris: [], response_types: [], ...more })
const jwk = (name) => createPublicKey(kept(`${name}.pub`)).export({ format: 'jwk' })
const signing = (id, alg, key) => client(id, ['client_credentials'], {
  token_endpoint_auth_method: 'private_key_jwt', token_endpoint_auth_signing_alg: alg, jwks: { keys: [jwk(key)] },
})
const selfSigned = new X509Certificate(kept('self-signed.crt'))
// Its tokens are bound to the key that it proves with each request (RFC 9449).
const proving = (id, more) => client(id, ['password', 'refresh_token', 'client_credentials'], { dpop_bound_access_tokens: true, ...more })
const certified = (id, more) => client(id, ['client_credentials'], { tls_client_certificate_bound_access_tokens: true, ...more })

// The provider's own store forgets the oldest of some thousand entries, and a token that is forgotten is refused.
const entries = new Map()
class Entries {
  constructor(model) { this.key = (id) => `${model}:${id}` }

  async upsert(id, payload) { entries.set(this.key(id), payload) }

  async find(id) { return entries.get(this.key(id)) }

  async consume(id) { entries.get(this.key(id)).consumed = Math.floor(Date.now() / 1000) }

  async destroy(id) { entries.delete(this.key(id)) }

  async revokeByGrantId(grantId) {
    for (const [key, payload] of entries) if (payload.grantId === grantId) entries.delete(key)
  }
}

const certificate = (context) => context.req.socket.getPeerX509Certificate?.()
const provider = new Provider(`http://127.0.0.1:${PORT}`, {
  adapter: Entries,
  clients: [
    client(CLIENT_ID, ['password', 'refresh_token', 'client_credentials', JWT_BEARER, TOKEN_EXCHANGE], { client_secret: CLIENT_SECRET }),
    signing('es256', 'ES256', 'ec'),
    signing('rs256', 'RS256', 'rsa'),
    signing('ps256', 'PS256', 'rsa'),
    signing('eddsa', 'EdDSA', 'ed'),
    client('hs256', ['client_credentials'], {
      client_secret: kept('secret'), token_endpoint_auth_method: 'client_secret_jwt', token_endpoint_auth_signing_alg: 'HS256',
    }),
    proving('dpop', { client_secret: CLIENT_SECRET }),
    // A client without a secret: its refresh tokens are bound as well (RFC 9449 §5).
    proving('dpop-public', { token_endpoint_auth_method: 'none', grant_types: ['password', 'refresh_token'] }),
    certified('certified', { token_endpoint_auth_method: 'tls_client_auth', tls_client_auth_subject_dn: 'CN=client' }),
    certified('self-signed', {
      token_endpoint_auth_method: 'self_signed_tls_client_auth',
      jwks: { keys: [{ ...selfSigned.publicKey.export({ format: 'jwk' }), x5c: [selfSigned.raw.toString('base64')] }] },
    }),
  ],
  // As many servers do, and this one does not by itself: nothing is taken that was signed in the future.
  assertJwtClientAuthClaimsAndHeader: (_, { iat }) => {
    if (iat > Date.now() / 1000 + 1) throw new errors.InvalidClientAuth('iat lies in the future')
  },
  clientAuthMethods: [
    'none', 'client_secret_basic', 'client_secret_jwt', 'private_key_jwt', 'tls_client_auth', 'self_signed_tls_client_auth',
  ],
  // What is expired is expired: the default allows for 15 seconds.
  clockTolerance: 0,
  rotateRefreshToken: true,
  scopes: ['openid', 'offline_access'],
  ttl: { AccessToken: lifetime, ClientCredentials: lifetime, RefreshToken: 86400, Grant: 86400 },
  features: {
    clientCredentials: { enabled: true },
    devInteractions: { enabled: false },
    // A restart knows none of the nonces from before.
    dPoP: { enabled: true, nonceSecret: randomBytes(32), requireNonce: () => true },
    mTLS: {
      enabled: true,
      certificateBoundAccessTokens: true,
      selfSignedTlsClientAuth: true,
      tlsClientAuth: true,
      getCertificate: certificate,
      certificateAuthorized: (context) => context.req.socket.authorized,
      certificateSubjectMatches: (context, property, expected) =>
        property === 'tls_client_auth_subject_dn' && certificate(context).subject === expected,
    },
    resourceIndicators: { enabled: true, getResourceServerInfo: (_, resource) => resourceServer(resource) },
    revocation: { enabled: true },
  },
  discovery: {
    mtls_endpoint_aliases: {
      token_endpoint: `https://127.0.0.1:${tlsPort}/token`,
      revocation_endpoint: `https://127.0.0.1:${tlsPort}/token/revocation`,
    },
  },
  extraTokenClaims: (context) => context.exchanged,
  findAccount: (_, id) => (id === USERNAME ? { accountId: id, claims: () => ({ sub: id }) } : undefined),
})
registerGrants(provider)

// Its own `/me` takes no token that stands for a client alone.
provider.use(async (context, next) => {
  if (context.path !== '/orders') return next()
  const [, presented] = /^bearer (.+)$/i.exec(context.get('authorization')) ?? []
  const token = presented && (await provider.AccessToken.find(presented) ?? await provider.ClientCredentials.find(presented))
  const bound = token?.['x5t#S256']
  // Proofs are read by `/me` alone.
  if (!token || token.jkt || (bound && bound !== thumbprint(certificate(context)))) {
    context.status = 401
    context.set('WWW-Authenticate', 'Bearer error="invalid_token"')
    return undefined
  }
  context.body = { sub: token.accountId ?? token.clientId, aud: token.aud, ...token.extra }
})

// As the confirmation `x5t#S256` has it (RFC 8705 §3.1).
const thumbprint = (x509) => x509 && Buffer.from(x509.fingerprint256.replaceAll(':', ''), 'hex').toString('base64url')

answer = provider.callback()
provider.listen(Number(PORT), '127.0.0.1')
