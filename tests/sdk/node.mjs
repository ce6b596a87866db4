// The official Node SDKs against a sandbox: upload, conflict, list, details, tags, deletion, purge, delivery.

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { createReadStream, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { crc32, deflateSync } from 'node:zlib';
import ImageKit, { toFile } from '@imagekit/nodejs';

const base = process.env.IMAGEKIT_API_URL;
const privateKey = process.env.IMAGEKIT_PRIVATE_KEY;
const endpoint = process.env.IMAGEKIT_URL_ENDPOINT;
const ik = new ImageKit({ privateKey, baseURL: base, maxRetries: 0 });
const folder = `/sdk-node-${randomBytes(4).toString('hex')}`;

// A grey PNG, made by hand so that no imaging library is needed.
function png(width, height) {
  const chunk = (kind, body) => {
    const named = Buffer.concat([Buffer.from(kind), body]);
    const [length, sum] = [Buffer.alloc(4), Buffer.alloc(4)];
    length.writeUInt32BE(body.length);
    sum.writeUInt32BE(crc32(named));
    return Buffer.concat([length, named, sum]);
  };
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.writeUInt8(8, 8);
  const row = Buffer.from([0, ...Array.from({ length: width }, (_, x) => x % 256)]);
  const rows = deflateSync(Buffer.concat(Array(height).fill(row)));
  const magic = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
  return Buffer.concat([magic, chunk('IHDR', header), chunk('IDAT', rows), chunk('IEND', Buffer.alloc(0))]);
}

// The call must fail with this status and ImageKit's words.
async function refused(status, message, call) {
  const error = await call().then(() => assert.fail(`not refused: ${message}`), (failed) => failed);
  assert.equal(error.status, status, String(error));
  assert.ok(String(error.message).includes(message), String(error));
  return error;
}

const bytes = png(120, 80);
const exact = { folder, useUniqueFileName: false, overwriteFile: false };
const upload = async (fileName, options = {}) =>
  ik.files.upload({ file: await toFile(bytes, 'a.png'), fileName, ...exact, ...options });

const first = await upload('a 1.png', { tags: ['one', 'two'], responseFields: ['tags'] });
assert.deepEqual([first.name, first.filePath, first.width, first.height], ['a_1.png', `${folder}/a_1.png`, 120, 80]);
assert.deepEqual([first.size, first.tags], [bytes.length, ['one', 'two']]);
await refused(400, 'A file with the same name already exists', () => upload('a 1.png'));

const dir = mkdtempSync(join(tmpdir(), 'sdk-'));
writeFileSync(join(dir, 'b.png'), bytes);
const second = await ik.files.upload({ ...exact, fileName: 'b.png', file: createReadStream(join(dir, 'b.png')) });
rmSync(dir, { recursive: true });
const third = await ik.files.upload({ ...exact, fileName: 'c.png', file: bytes.toString('base64') });
assert.equal(third.size, bytes.length);

const listed = await ik.assets.list({ searchQuery: `type = "file" AND path : "${folder}/"`, limit: 1000 });
assert.deepEqual(listed.map((one) => one.fileId), [first.fileId, second.fileId, third.fileId]);
await refused(400, 'Minimum value of limit parameter is 1', () => ik.assets.list({ limit: 0 }));

assert.equal((await ik.files.get(first.fileId)).filePath, first.filePath);
await ik.files.update(first.fileId, { tags: ['three'] });
assert.deepEqual((await ik.files.get(first.fileId)).tags, ['three']);

for (const one of [first, second, third]) {
  const original = await fetch(`${endpoint}${one.filePath}?tr=orig-true`);
  assert.ok(Buffer.from(await original.arrayBuffer()).equals(bytes));
}
const built = ik.helper.buildSrc({ urlEndpoint: endpoint, src: first.filePath, transformation: [{ width: 50 }] });
assert.equal(Buffer.from(await (await fetch(built)).arrayBuffer()).readUInt32BE(16), 50);

const purge = await ik.cache.invalidation.create({ url: first.url });
assert.ok(['Pending', 'Completed'].includes((await ik.cache.invalidation.get(purge.requestId)).status));

const unknown = '0123456789abcdef01234567';
await refused(404, 'The requested file does not exist.', () => ik.files.get(unknown));
const failed = await refused(404, 'The requested file(s) does not exist.', () =>
  ik.files.bulk.delete({ fileIds: [second.fileId, unknown] }),
);
assert.deepEqual(failed.error.missingFileIds, [unknown]);
await ik.files.delete(first.fileId);
await refused(404, 'The requested file does not exist.', () => ik.files.delete(first.fileId));
const fileIds = [second.fileId, third.fileId];
assert.deepEqual((await ik.files.bulk.delete({ fileIds })).successfullyDeletedFileIds, fileIds);
assert.deepEqual(await ik.assets.list({ path: folder }), []);
assert.equal((await fetch(`${endpoint}${first.filePath}`)).status, 404);

// The older SDK can be pointed elsewhere for its uploads only.
const Older = createRequire(import.meta.url)('imagekit');
const older = new Older({
  publicKey: 'public_unused',
  privateKey,
  urlEndpoint: endpoint,
  uploadEndpoint: `${base}/api/v1/files/upload`,
});
const fourth = await older.upload({ ...exact, file: bytes, fileName: 'older.png', tags: ['old'] });
assert.deepEqual([fourth.filePath, fourth.size], [`${folder}/older.png`, bytes.length]);
const again = await older.upload({ ...exact, file: bytes, fileName: 'older.png' }).catch((error) => error);
assert.ok(again.message.startsWith('A file with the same name already exists'), String(again.message));
await ik.files.delete(fourth.fileId);
console.log('@imagekit/nodejs and imagekit: all as expected');
// The older SDK keeps its connections open and would have the process wait for the server to close them.
process.exit(0);
