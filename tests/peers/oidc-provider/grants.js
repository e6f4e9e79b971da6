// The password grant, JWT bearer (RFC 7523 §2.1) and token exchange (RFC 8693).

import { createPublicKey } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { jwtVerify } from 'jose'
import { errors } from 'oidc-provider'
import { setRefreshTokenBindings } from 'oidc-provider/lib/helpers/set_rt_bindings.js'
import validateDpop, { checkDpopReplay } from 'oidc-provider/lib/helpers/validate_dpop.js'

export const JWT_BEARER = 'urn:ietf:params:oauth:grant-type:jwt-bearer'
export const TOKEN_EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange'
const ACCESS_TOKEN = 'urn:ietf:params:oauth:token-type:access_token'

const { USERNAME, PASSWORD, KEYS } = process.env
// Whose assertions are taken, signed with this key.
const TRUSTED = 'https://idp.example'
const trustedKey = createPublicKey(readFileSync(`${KEYS}/ec.pub`))

// The only resource that tokens are issued for by name (RFC 8707).
export function resourceServer(resource) {
  if (resource !== 'https://api.example/orders') throw new errors.InvalidTarget()
  return { audience: resource, scope: 'orders' }
}

export function registerGrants(provider) {
  // As its own grants do it.
  const prove = async (context) => {
    const { client } = context.oidc
    const proof = await validateDpop(provider, context)
    if (!proof && client.dpopBoundAccessTokens) throw new errors.InvalidGrant('DPoP proof JWT not provided')
    await checkDpopReplay(provider, context, proof, client.clientId)
    return proof
  }

  const issue = async (context, gty, scope) => {
    const { client, params: { resource } } = context.oidc
    const grant = new provider.Grant({ accountId: USERNAME, clientId: client.clientId })
    grant.addOIDCScope(scope)
    if (resource) grant.addResourceScope(resource, 'orders')
    const common = { accountId: USERNAME, client, grantId: await grant.save(), gty, scope }
    const access = new provider.AccessToken(common)
    if (resource) access.resourceServer = new provider.ResourceServer(resource, resourceServer(resource))
    const proof = await prove(context)
    if (proof) access.setThumbprint('jkt', proof.thumbprint)
    context.body = { access_token: await access.save(), token_type: access.tokenType, expires_in: access.expiration, scope }
    if (scope.includes('offline_access')) {
      const refresh = new provider.RefreshToken({ ...common, resource })
      await setRefreshTokenBindings(context, access, refresh)
      context.body.refresh_token = await refresh.save()
    }
  }

  provider.registerGrantType('password', async (context) => {
    const { params } = context.oidc
    if (params.username !== USERNAME || params.password !== PASSWORD) {
      throw new errors.InvalidGrant('name and password do not match')
    }
    await issue(context, 'password', 'openid offline_access')
  }, ['username', 'password', 'scope'])

  const used = new Set()
  provider.registerGrantType(JWT_BEARER, async (context) => {
    const { assertion = '', scope = 'openid' } = context.oidc.params
    const { payload } = await jwtVerify(assertion, trustedKey, {
      algorithms: ['ES256'], issuer: TRUSTED, audience: provider.issuer, requiredClaims: ['sub', 'exp', 'jti'], maxTokenAge: '1m',
    }).catch((cause) => {
      throw new errors.InvalidGrant(cause.message)
    })
    if (payload.sub !== USERNAME) throw new errors.InvalidGrant('nobody has that name')
    if (used.has(payload.jti)) throw new errors.InvalidGrant('the assertion was used before')
    used.add(payload.jti)
    await issue(context, 'jwt-bearer', scope)
  }, ['assertion', 'scope', 'resource'])

  const find = async (token, type) => {
    if (type !== ACCESS_TOKEN) throw new errors.InvalidRequest('only access tokens are exchanged')
    const found = await provider.AccessToken.find(token) ?? await provider.ClientCredentials.find(token)
    if (!found) throw new errors.InvalidRequest('a token is not good')
    return found
  }
  provider.registerGrantType(TOKEN_EXCHANGE, async (context) => {
    const { subject_token, subject_token_type, actor_token, actor_token_type, audience } = context.oidc.params
    const subject = await find(subject_token, subject_token_type)
    if (!subject.accountId) throw new errors.InvalidRequest('the subject is no user')
    const actor = actor_token && await find(actor_token, actor_token_type)
    if (audience && audience !== 'orders') throw new errors.InvalidTarget()
    context.exchanged = { aud: audience, act: actor && { sub: actor.clientId } }
    await issue(context, 'token-exchange', 'openid')
    context.body.issued_token_type = ACCESS_TOKEN
  }, ['subject_token', 'subject_token_type', 'actor_token', 'actor_token_type', 'audience', 'scope', 'requested_token_type'])
}
