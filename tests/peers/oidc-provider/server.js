// An OpenID provider by `oidc-provider`, with the password grant that it does not bring along. In memory: a restart forgets
// every token.
//   PORT, LIFETIME (seconds), CLIENT_ID, CLIENT_SECRET, USERNAME, PASSWORD

import { Provider, errors } from 'oidc-provider'

const { PORT, LIFETIME, CLIENT_ID, CLIENT_SECRET, USERNAME, PASSWORD } = process.env
const lifetime = Number(LIFETIME)

const provider = new Provider(`http://127.0.0.1:${PORT}`, {
  clients: [{
    client_id: CLIENT_ID,
    client_secret: CLIENT_SECRET,
    grant_types: ['password', 'refresh_token'],
    redirect_uris: [],
    response_types: [],
  }],
  // What is expired is expired: the default allows for 15 seconds.
  clockTolerance: 0,
  rotateRefreshToken: true,
  scopes: ['openid', 'offline_access'],
  ttl: { AccessToken: lifetime, RefreshToken: 86400, Grant: 86400 },
  features: { devInteractions: { enabled: false }, revocation: { enabled: true } },
  findAccount: (_, id) => (id === USERNAME ? { accountId: id, claims: () => ({ sub: id }) } : undefined),
})

provider.registerGrantType('password', async (context) => {
  const { client, params } = context.oidc
  if (params.username !== USERNAME || params.password !== PASSWORD) {
    throw new errors.InvalidGrant('name and password do not match')
  }
  const scope = 'openid offline_access'
  const grant = new provider.Grant({ accountId: USERNAME, clientId: client.clientId })
  grant.addOIDCScope(scope)
  const common = { accountId: USERNAME, client, grantId: await grant.save(), gty: 'password', scope }
  const access = new provider.AccessToken(common)
  context.body = {
    access_token: await access.save(),
    refresh_token: await new provider.RefreshToken(common).save(),
    token_type: 'Bearer',
    expires_in: access.expiration,
    scope,
  }
}, ['username', 'password', 'scope'])

provider.listen(Number(PORT), '127.0.0.1')
