// Goal: a body is read part by part, without a copy, no faster than its reader, and ends as it
// ends. Method: streams that are filled by hand.
import { PassThrough, Readable } from 'node:stream';
import { describe, expect, it } from 'vitest';

import { partsOf } from './body-parts.ts';

const read = async (body: Readable): Promise<string[]> => {
  const parts: string[] = [];
  for await (const part of partsOf(body)) parts.push(Buffer.from(part).toString());
  return parts;
};

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('the parts of a body', () => {
  it('come as they were sent, also those that waited', async () => {
    const body = new PassThrough();
    for (const part of ['a', 'b', 'c']) body.write(part);
    const reading = read(body);
    await turn();
    body.end('d');
    expect(await reading).toEqual(['a', 'b', 'c', 'd']);
    expect(await read(Readable.from([]))).toEqual([]);
  });

  it('are not the memory of another buffer', async () => {
    const body = new PassThrough();
    const sent = Buffer.from('xyz');
    body.write(sent);
    body.write('more');
    const parts = partsOf(body);
    expect((await parts.next()).value).toBe(sent);
    await parts.return();
    expect(body.destroyed).toBe(true);
  });

  it('wait for a slow reader', async () => {
    let made = 0;
    const body = new Readable({
      read() {
        made += 1;
        this.push(made > 1000 ? null : Buffer.alloc(64 * 1024));
      },
    });
    const parts = partsOf(body);
    await parts.next();
    for (let turns = 0; turns < 50; turns += 1) await turn();
    expect(made).toBeLessThan(30);
    let count = 1;
    while (!(await parts.next()).done) count += 1;
    expect(count).toBe(1000);
  });

  it('end with what the body failed with, after all that came before', async () => {
    const body = new PassThrough();
    const parts = partsOf(body);
    body.write('a');
    expect(Buffer.from((await parts.next()).value as Uint8Array).toString()).toBe('a');
    const next = parts.next();
    body.destroy(new Error('the socket broke'));
    await expect(next).rejects.toThrow('the socket broke');
    const failed = new PassThrough().on('error', () => undefined);
    failed.destroy(new Error('before anybody read'));
    await turn();
    await expect(read(failed)).rejects.toThrow('before anybody read');
  });

  it('are cut short where the body is given up', async () => {
    const body = new PassThrough();
    const reading = read(body);
    await turn();
    body.destroy();
    await expect(reading).rejects.toThrow('cut short');
    await expect(read(body)).rejects.toThrow('cut short');
  });
});
