// Goal: a backup over HTTP is the whole file or visibly not; whoever reads it slowly, or not at
// all, costs a bounded amount of memory and a bounded time. Method: a real socket, a store of some
// size, a clock that the test moves.
import { utf8 } from '@holdfast/base/bytes';
import { revision } from '@holdfast/base/ids';
import { ManualClock } from '@holdfast/base/manual-clock';
import { putRequest } from '@holdfast/domain/requests';
import type { MemoryEngine } from '@holdfast/engine/memory-engine';
import { BackupReader } from '@holdfast/storage/backup-reader';
import { afterEach, describe, expect, it } from 'vitest';

import { backupRoutes } from './backup-routes.ts';
import { eventually, listen, RawClient, type TestDoor, testDoor } from './test-door.fixture.ts';

const valueBytes = 200_000;
const doors: TestDoor[] = [];

afterEach(async () => {
  for (const { app } of doors.splice(0)) await app.close();
});

async function open(keys: number) {
  const clock = new ManualClock();
  const told: string[] = [];
  const tell = (fields: object, text: string): void =>
    void told.push(`${text} ${JSON.stringify(fields)}`);
  const log = { info: tell, warn: tell } as never;
  const engine = (): MemoryEngine => door.engine;
  const door = testDoor({
    clock,
    routes: [(app, context) => backupRoutes(app, context, { engine, log })],
  });
  doors.push(door);
  const { backups } = door.engine;
  for (let at = 1; at <= keys; at += 1) {
    const key = { keyspace: 1, key: utf8(`k${at}`) };
    await door.engine.put(putRequest(key, new Uint8Array(valueBytes)), { actor: 'test' });
  }
  return { clock, status: door.engine.status(), backups, told, door, port: await listen(door.app) };
}

describe('GET /v1/backup', () => {
  it('answers with the whole file, and says of which revision it is', async () => {
    const { status, backups, port, told } = await open(20);
    const answer = await fetch(`http://127.0.0.1:${port}/v1/backup`);
    expect(answer.status).toBe(200);
    expect(answer.headers.get('x-holdfast-revision')).toBe(String(status.revision));
    const reader = new BackupReader();
    for (const _ of reader.take(new Uint8Array(await answer.arrayBuffer())));
    const { head } = reader.finish();
    expect([head.revision, head.stateHash]).toEqual([status.revision, status.stateHash]);
    expect(head.revision).toBe(revision(21));
    expect(backups.underWay).toBe(0);
    expect(told.at(-1)).toContain('a backup was sent');
  });

  it('refuses what it does not know, and a third one at a time', async () => {
    const { backups, port } = await open(1);
    const url = `http://127.0.0.1:${port}/v1/backup`;
    expect((await fetch(`${url}?consistency=mostly`)).status).toBe(400);
    const life = new AbortController().signal;
    const held = [
      await backups.open({ actor: 'a' }, life),
      await backups.open({ actor: 'a' }, life),
    ];
    const refused = await fetch(url);
    expect([refused.status, await refused.json()]).toMatchObject([
      429,
      { code: 'resource-exhausted', detail: expect.stringContaining('makes 2 backups already') },
    ]);
    for (const one of held) await one.close();
  });

  it('is broken off for a reader that takes nothing for half a minute', async () => {
    const { clock, backups, port, told } = await open(200);
    const client = await RawClient.connect(port);
    client.socket.pause();
    client.send('GET /v1/backup HTTP/1.1\r\nHost: x\r\n\r\n');
    await eventually(() => expect(backups.underWay).toBe(1));
    // It is stuck when the sockets on both sides are full: then it waits by the clock alone.
    await eventually(() => expect(clock.pendingCount).toBeGreaterThan(0));
    const before = process.memoryUsage().rss;
    await eventually(async () => {
      await clock.advanceAsync(31_000);
      expect(backups.underWay).toBe(0);
    });
    expect(process.memoryUsage().rss - before).toBeLessThan(20_000_000);
    expect(told.at(-1)).toMatch(/broken off.*took nothing for 30 s/);
    client.socket.resume();
    await client.closed();
    expect(client.received).not.toContain('HEND');
  });

  it('ends when its reader goes, and when the member does', async () => {
    const { backups, port, door, told } = await open(200);
    const [one, two] = [await RawClient.connect(port), await RawClient.connect(port)];
    for (const client of [one, two]) {
      client.socket.pause();
      client.send('GET /v1/backup HTTP/1.1\r\nHost: x\r\n\r\n');
    }
    await eventually(() => expect(backups.underWay).toBe(2));
    one.close();
    await eventually(() => expect(backups.underWay).toBe(1));
    expect(told.at(-1)).toContain('has gone');
    await door.app.close();
    await eventually(() => expect(backups.underWay).toBe(0));
    expect(told.at(-1)).toContain('this member is stopping');
    two.close();
    expect(door.faults).toEqual([]);
  });
});
