// An OpenID provider for tests: oidc-provider with a login page that asks for a name alone.
//
//   node provider.mjs SETTINGS.json
//
// It says "listening at ISSUER" once it does. The settings, all of them optional:
//
//   port          0: any that is free
//   tls           { cert, key }: PEM files; else it speaks http
//   clients       as in OpenID Connect Dynamic Client Registration
//   auth_methods  how clients may show their secrets; else in every way
//   users         { NAME: claims }; nobody else can log in
//   ttl           seconds: { AccessToken, RefreshToken, IdToken, Session, ... }
//   in_tokens     true: an ID token tells all claims; else it tells the sub, and UserInfo tells the rest
//
// What a test may do while it runs, always as POST with JSON:
//
//   /test/set          { clients, users, delay_ms, down }: replaces what is given. delay_ms holds answers of the token
//                      endpoint, down lets everything but /test answer 503
//   /test/counts       how often the token endpoint was asked for each kind of grant, and how often that succeeded
//   /test/backchannel  { client_id, sub, sid }: sends a logout token; answers with what came back

import { generateKeyPairSync } from 'node:crypto';
import { readFileSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';

import Provider from 'oidc-provider';

const settings = JSON.parse(readFileSync(process.argv[2], 'utf8'));
const state = { clients: settings.clients ?? [], users: settings.users ?? {}, delay_ms: 0, down: false };
const counts = { asked: {}, granted: {} };

const key = (kid, kind, options) => ({
  ...generateKeyPairSync(kind, options).privateKey.export({ format: 'jwk' }),
  kid, use: 'sig',
});

const configuration = {
  jwks: {
    keys: [
      key('rsa', 'rsa', { modulusLength: 2048 }),
      key('ec', 'ec', { namedCurve: 'P-256' }),
      key('ed', 'ed25519'),
    ],
  },
  ...(settings.auth_methods && { clientAuthMethods: settings.auth_methods }),
  cookies: { keys: ['not a secret'] },
  claims: {
    openid: ['sub'],
    profile: ['name', 'preferred_username'],
    email: ['email', 'email_verified'],
    groups: ['groups'],
  },
  scopes: ['openid', 'offline_access', 'profile', 'email', 'groups'],
  conformIdTokenClaims: !settings.in_tokens,
  enabledJWA: {
    idTokenSigningAlgValues: ['RS256', 'PS256', 'ES256', 'EdDSA'],
  },
  features: {
    devInteractions: { enabled: false },
    backchannelLogout: { enabled: true },
    rpInitiatedLogout: {
      enabled: true,
      logoutSource: (ctx, form) => {
        ctx.body = `<!doctype html><title>Log out?</title>${form}
          <button type="submit" form="op.logoutForm" name="logout" value="yes">Log out</button>`;
      },
    },
  },
  findAccount: (ctx, sub) => state.users[sub] && {
    accountId: sub,
    claims: () => ({ sub, ...state.users[sub] }),
  },
  interactions: { url: (ctx, interaction) => `/interaction/${interaction.uid}` },
  issueRefreshToken: (ctx, client) => client.grantTypeAllowed('refresh_token'),
  // Everybody agrees to everything.
  loadExistingGrant: async (ctx) => {
    const { client, session, result } = ctx.oidc;
    const known = result?.consent?.grantId ?? session.grantIdFor(client.clientId);
    return known ? provider.Grant.find(known) : agreed(client.clientId, session.accountId);
  },
  // Its own would refuse addresses of this machine.
  fetch: (url, { dispatcher, ...options }) => fetch(url, options),
  pkce: { required: () => true },
  renderError: (ctx, out) => { ctx.body = JSON.stringify(out); },
  rotateRefreshToken: true,
  ttl: { AccessToken: 3600, Grant: 86400, IdToken: 3600, Interaction: 600, RefreshToken: 86400, Session: 86400, ...settings.ttl },
};

let issuer;
let provider;

const agreed = async (clientId, accountId) => {
  const grant = new provider.Grant({ clientId, accountId });
  grant.addOIDCScope(configuration.scopes.join(' '));
  await grant.save();
  return grant;
};

const read = async (request) => {
  const parts = [];
  for await (const part of request) parts.push(part);
  return Buffer.concat(parts).toString();
};

const answer = (response, status, body, type = 'application/json') => {
  response.writeHead(status, { 'Content-Type': type, 'Cache-Control': 'no-store' });
  response.end(body);
};

const page = `<!doctype html><title>Log in</title>
<form method="post"><label>Name <input name="login" autofocus></label><button>Log in</button></form>`;

const interact = async (request, response) => {
  if (request.method !== 'POST') {
    answer(response, 200, page, 'text/html');
    return;
  }
  const login = new URLSearchParams(await read(request)).get('login');
  const { prompt, params, session } = await provider.interactionDetails(request, response);
  const who = prompt.name === 'login' ? login : session.accountId;
  if (!state.users[who]) {
    answer(response, 403, 'there is no such user', 'text/plain');
    return;
  }
  const result = prompt.name === 'login'
    ? { login: { accountId: who } }
    : { consent: { grantId: await (await agreed(params.client_id, who)).save() } };
  await provider.interactionFinished(request, response, result, { mergeWithLastSubmission: true });
};

const test = async (request, response) => {
  const asked = JSON.parse(await read(request) || '{}');
  switch (request.url) {
    case '/test/set':
      Object.assign(state, asked);
      if (asked.clients) build();
      return answer(response, 200, '{}');
    case '/test/counts':
      return answer(response, 200, JSON.stringify(counts));
    case '/test/backchannel': {
      const client = await provider.Client.find(asked.client_id);
      const said = await client.backchannelLogout(asked.sub, asked.sid).then(() => 'taken', (error) => error.message);
      return answer(response, 200, JSON.stringify({ said }));
    }
    default:
      return answer(response, 404, '{}');
  }
};

const count = (kind, grant) => { kind[grant] = (kind[grant] ?? 0) + 1; };

// Again when it gets other clients; what it has issued stays good.
const build = () => {
  provider = new Provider(issuer, { ...configuration, clients: state.clients });
  provider.use(async (ctx, next) => {
    const isToken = ctx.path === '/token' && ctx.method === 'POST';
    if (isToken && state.delay_ms) await new Promise((resolve) => { setTimeout(resolve, state.delay_ms); });
    await next();
    const grant = isToken && ctx.oidc?.params?.grant_type;
    if (grant) count(counts.asked, grant);
    if (grant && ctx.status === 200) count(counts.granted, grant);
  });
  provider.on('server_error', (ctx, error) => console.error(error));
};

const listen = (request, response) => {
  const done = request.url.startsWith('/test/') ? test(request, response)
    : state.down ? answer(response, 503, 'down', 'text/plain')
    : request.url.startsWith('/interaction/') ? interact(request, response)
    : provider.callback()(request, response);
  Promise.resolve(done).catch((error) => {
    console.error(error);
    if (!response.headersSent) answer(response, 500, String(error), 'text/plain');
  });
};

const server = settings.tls
  ? https.createServer({ cert: readFileSync(settings.tls.cert), key: readFileSync(settings.tls.key) }, listen)
  : http.createServer(listen);

server.listen(settings.port ?? 0, '127.0.0.1', () => {
  const { port } = server.address();
  issuer = settings.tls ? `https://localhost:${port}` : `http://127.0.0.1:${port}`;
  build();
  console.log(`listening at ${issuer}`);
});
