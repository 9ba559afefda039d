// Starts the API reference on this page. Everything it needs is on this server; nothing is sent elsewhere.
'use strict'

const base = location.href.replace(/[?#].*$/, '').replace(/\/docs$/, '')
const tokenUrl = `${base}/oauth/token`

// The officer at the keyboard is not part of the OAuth form of the reference, so the token request is given it here.
const send = (request, options) => {
  const actingUser = document.getElementById('acting-user').value.trim()
  if (actingUser && String(request?.url ?? request) === tokenUrl && options?.body instanceof URLSearchParams) {
    options.body.set('acting_user', actingUser)
  }
  return fetch(request, options)
}

const start = async () => {
  const answer = await fetch('openapi.json')
  const content = await answer.json()
  // This page's own host, whatever other name the service has: the browser lets it ask no other.
  content.servers = [{ url: base }]
  content.components.securitySchemes.oauth2.flows.clientCredentials.tokenUrl = tokenUrl
  Scalar.createApiReference('#reference', {
    content,
    customFetch: send,
    withDefaultFonts: false,
    telemetry: false,
    proxyUrl: '',
    agent: { disabled: true },
    mcp: { disabled: true },
    showDeveloperTools: 'never',
    documentDownloadType: 'none',
    persistAuth: false,
    hideClientButton: true,
    hiddenClients: { c: true, clojure: true, csharp: ['restsharp'], objc: true, ocaml: true, r: true, swift: true, powershell: true },
    defaultHttpClient: { targetKey: 'shell', clientKey: 'curl' },
    authentication: { preferredSecurityScheme: 'oauth2' },
    theme: 'default',
  })
}

start().catch((error) => {
  document.getElementById('reference').textContent = `openapi.json: ${error}`
})
