// A third-party authorization server: oidc-provider, only configured. In front of it are the few
// API routes of Zendesk's that loopdesk uses, each of which leaves the decision about a token to
// the provider's own introspection and revocation.
//
// Environment: TLS_KEY, TLS_CERT (files), AT_TTL (seconds), REDIRECT_URIS (by
// spaces), CLIENT_SECRET.
// Standard output: one JSON object a line, the first says where it listens.
// Standard input: commands, one a line; see `commands`.
import fs from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import readline from 'node:readline';
import { randomBytes } from 'node:crypto';
import { Provider } from 'oidc-provider';

const { TLS_KEY, TLS_CERT, AT_TTL = '300', REDIRECT_URIS, CLIENT_SECRET } = process.env;
const say = (event) => process.stdout.write(`${JSON.stringify(event)}\n`);

const clients = [
  {
    client_id: 'loopdesk',
    application_type: 'native',
    token_endpoint_auth_method: 'none',
    redirect_uris: REDIRECT_URIS.split(' '),
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code'],
  },
  {
    client_id: 'robot',
    client_secret: CLIENT_SECRET,
    token_endpoint_auth_method: 'client_secret_post',
    grant_types: ['client_credentials'],
    response_types: [],
    redirect_uris: [],
  },
  {
    client_id: 'api',
    client_secret: randomBytes(32).toString('hex'),
    token_endpoint_auth_method: 'client_secret_post',
    grant_types: ['client_credentials'],
    response_types: [],
    redirect_uris: [],
  },
];

const people = {
  alice: { id: 29, name: 'Alice Agent', email: 'alice@example.com', role: 'agent' },
  robot: { id: 31, name: 'Robin Robot', email: 'robin@example.com', role: 'admin' },
};

const issuer = 'https://127.0.0.1';
const provider = new Provider(issuer, {
  clients,
  scopes: ['read', 'write'],
  pkce: { required: (ctx, client) => client.clientAuthMethod === 'none' },
  rotateRefreshToken: true,
  issueRefreshToken: async (ctx, client) => client.grantTypeAllowed('refresh_token'),
  // At Zendesk, revoking an access token revokes its refresh token as well.
  revokeGrantPolicy: () => true,
  ttl: {
    AccessToken: Number(AT_TTL),
    ClientCredentials: Number(AT_TTL),
    RefreshToken: 3600,
    AuthorizationCode: 120,
    Grant: 86400,
    Interaction: 600,
    Session: 86400,
    IdToken: 300,
  },
  features: {
    devInteractions: { enabled: true },
    clientCredentials: { enabled: true },
    revocation: { enabled: true, allowedPolicy: (ctx, client, token) => token.clientId === client.clientId },
    introspection: { enabled: true, allowedPolicy: () => true },
  },
  routes: {
    authorization: '/oauth/authorizations/new',
    token: '/oauth/tokens',
    revocation: '/oauth/revoke',
    introspection: '/oauth/introspect',
  },
  cookies: { keys: [randomBytes(32).toString('hex')] },
  findAccount: async (ctx, id) => ({ accountId: id, claims: async () => ({ sub: id }) }),
  renderError: async (ctx, out) => {
    ctx.type = 'json';
    ctx.body = out;
  },
});
provider.on('grant.success', (ctx) => {
  say({ event: 'granted', grant: ctx.oidc.params.grant_type, client: ctx.oidc.client.clientId });
});
provider.on('grant.error', (ctx, error) => {
  say({ event: 'refused', grant: ctx.oidc.params?.grant_type, error: error.error, detail: error.error_detail });
});
provider.on('grant.revoked', () => say({ event: 'family-revoked' }));
provider.on('server_error', (ctx, error) => say({ event: 'server-error', error: error.message }));

const oauth = provider.callback();

// For this process's own requests to the provider.
const inside = http.createServer(oauth);
await new Promise((ready) => inside.listen(0, '127.0.0.1', ready));

async function ask(path, client, fields) {
  const { client_id, client_secret } = clients.find((known) => known.client_id === client);
  const body = new URLSearchParams({ client_id, ...(client_secret && { client_secret }), ...fields });
  const url = `http://127.0.0.1:${inside.address().port}${path}`;
  const answer = await fetch(url, { method: 'POST', body });
  if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
  return answer;
}

const introspect = async (token) => (await ask('/oauth/introspect', 'api', { token })).json();

const bearer = (request) => /^Bearer (.+)$/.exec(request.headers.authorization ?? '')?.[1];

const seen = new Set();

async function api(request, response) {
  const answer = (status, body) => {
    response.writeHead(status, { 'content-type': 'application/json' });
    response.end(body === undefined ? undefined : JSON.stringify(body));
  };
  const path = new URL(request.url, issuer).pathname.replace(/\.json$/, '');
  const token = bearer(request);
  const known = token ? await introspect(token) : { active: false };
  say({ event: 'api', method: request.method, path, active: known.active });
  if (!known.active) {
    response.setHeader('www-authenticate', 'Bearer error="invalid_token"');
    return answer(401, { error: 'invalid_token', error_description: 'The access token is dead.' });
  }
  seen.add(token);
  if (path === '/api/v2/oauth/tokens/current' && request.method === 'DELETE') {
    await ask('/oauth/revoke', known.client_id, { token });
    return answer(204);
  }
  if (path === '/api/v2/oauth/tokens/current') {
    const expires_at = new Date(known.exp * 1000).toISOString();
    return answer(200, { token: { expires_at, scopes: known.scope.split(' ') } });
  }
  const user = people[known.sub ?? known.client_id];
  if (path === '/api/v2/users/me') return answer(200, { user });
  const ticket = /^\/api\/v2\/tickets\/(\d+)$/.exec(path);
  if (ticket) return answer(200, { ticket: { id: Number(ticket[1]), subject: 'A ticket' } });
  return answer(404, { error: 'RecordNotFound', description: 'Not found' });
}

let loseAnswers = 0;
const commands = {
  // The next response of the token endpoint is created and never arrives.
  'lose-answer': () => {
    loseAnswers += 1;
    say({ event: 'done' });
  },
  // As an admin would who deletes the access tokens in use, and nothing else.
  'kill-access-tokens': async () => {
    for (const token of seen) await (await provider.AccessToken.find(token))?.destroy();
    seen.clear();
    say({ event: 'done' });
  },
};

const outside = https.createServer(
  { key: fs.readFileSync(TLS_KEY), cert: fs.readFileSync(TLS_CERT) },
  (request, response) => {
    if (request.url.startsWith('/api/')) {
      api(request, response).catch((error) => {
        say({ event: 'server-error', error: error.message });
        response.writeHead(500).end();
      });
      return;
    }
    if (loseAnswers > 0 && request.method === 'POST' && request.url === '/oauth/tokens') {
      loseAnswers -= 1;
      response.write = () => true;
      response.end = () => {
        request.socket.destroy();
        return response;
      };
    }
    oauth(request, response);
  },
);
outside.listen(0, '127.0.0.1', () => say({ event: 'listening', port: outside.address().port }));
readline.createInterface({ input: process.stdin }).on('line', (line) => commands[line]());
// The harness has ended.
process.stdin.on('end', () => process.exit(0));
