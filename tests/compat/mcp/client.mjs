// What the public TypeScript clients of MCP do with the adapter: one scenario for each run.
//
//   node client.mjs sdk|client SCENARIO
//
// `sdk` is @modelcontextprotocol/sdk, which begins with a handshake, and `client` is @modelcontextprotocol/client, which
// begins without one. ADAPTER is the adapter's binary and LATCHGATE_BIN the gate's, for an operator's decisions. `reconnects`
// says `restart` and goes on with the next line it reads.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createRequire } from 'node:module';
import { createInterface } from 'node:readline/promises';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';

const PATIENCE_MS = 60_000;
const [kind, scenario] = process.argv.slice(2);
// The packages lie where npm was told to put them, not beside this file.
const require = createRequire(`${process.env.NPM_DIR}/package.json`);
const load = (name) => import(pathToFileURL(require.resolve(name)));

async function connected() {
  const { Client } = await load(kind === 'sdk' ? '@modelcontextprotocol/sdk/client/index.js' : '@modelcontextprotocol/client');
  const { StdioClientTransport } = await load(`@modelcontextprotocol/${kind === 'sdk' ? 'sdk/client/stdio.js' : 'client/stdio'}`);
  const options = kind === 'sdk' ? {} : { versionNegotiation: { mode: 'auto' } };
  const client = new Client({ name: 'compat', version: '1' }, options);
  await client.connect(new StdioClientTransport({ command: process.env.ADAPTER, args: ['serve'], env: process.env }));
  return client;
}

function call(client, name, args, options) {
  const request = { name, arguments: args };
  return kind === 'sdk' ? client.callTool(request, undefined, options) : client.callTool(request, options);
}

const operator = async (...args) => (await promisify(execFile)(process.env.LATCHGATE_BIN, args)).stdout;
const held = async () => JSON.parse(await operator('approvals', 'list', '--json')).approvals;

async function until(what, condition) {
  const end = Date.now() + PATIENCE_MS;
  for (;;) {
    const found = await condition();
    if (found) return found;
    assert(Date.now() < end, `${what} does not come`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

async function reads(client) {
  const result = await call(client, 'fs_read', { path: 'hello.txt' });
  assert(!result.isError, JSON.stringify(result));
  assert.equal(result.structuredContent.text, 'hello, gate\n');
}

const scenarios = {
  async lists(client) {
    const { tools } = await client.listTools();
    const names = tools.map((tool) => tool.name);
    for (const name of ['fs_read', 'fs_write', 'latchgate_my_pending']) assert(names.includes(name), `${names}`);
    const { resources } = await client.listResources();
    assert.deepEqual(resources.map((resource) => resource.uri).sort(), ['latchgate://actions', 'latchgate://status']);
    const status = await client.readResource({ uri: 'latchgate://status' });
    assert.equal(JSON.parse(status.contents[0].text).gate.status, 'ready');
  },

  async calls(client) {
    // From here on the client checks each answer by its tool's output schema.
    await client.listTools();
    await reads(client);
    const numbers = Array.from({ length: 32 }, (_, n) => n);
    const many = await Promise.all(numbers.map((n) => call(client, 'fs_read', { path: `many/${n}.txt` })));
    assert.deepEqual(many.map((result) => result.structuredContent.text), numbers.map(String));
  },

  async denied(client) {
    const result = await call(client, 'fs_read', { path: '.env' });
    assert(result.isError);
    assert.match(result.content[0].text, /^policy_denied: [^]*\nNext: /);
    await reads(client);
  },

  async approved(client) {
    const writing = call(client, 'fs_write', { path: 'note.txt', content: 'from node\n' });
    const [approval] = await until('the approval', async () => {
      const list = await held();
      return list.length > 0 && list;
    });
    await operator('approvals', 'approve', approval.approval_id, '--yes');
    const result = await writing;
    assert(!result.isError, JSON.stringify(result));
    assert.equal(result.structuredContent.path, 'note.txt');
  },

  async cancelled(client) {
    const abort = new AbortController();
    const writing = call(client, 'fs_write', { path: 'never.txt', content: 'x' }, { signal: abort.signal });
    const gone = assert.rejects(writing);
    await until('the approval', async () => (await held()).length > 0);
    abort.abort('the test');
    await gone;
    await until('the withdrawal', async () => (await held()).length === 0);
    await reads(client);
  },

  async reconnects(client) {
    await reads(client);
    console.log('restart');
    const lines = createInterface({ input: process.stdin });
    await new Promise((resolve) => lines.once('line', resolve));
    lines.close();
    await reads(client);
  },
};

const client = await connected();
await scenarios[scenario](client);
await client.close();
