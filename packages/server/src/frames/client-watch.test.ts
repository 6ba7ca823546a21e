// Goal: what a watch of a client has read and not told yet is told to whoever may read it then.
// Method: a watch without a connection, on an engine in memory with a user whose right is taken.
import { concatBytes, utf8 } from '@holdfast/base/bytes';
import { ManualClock } from '@holdfast/base/manual-clock';
import { putOperation, txnRequest } from '@holdfast/domain/requests';
import { AccessService } from '@holdfast/engine/access-service';
import { MemoryEngine } from '@holdfast/engine/memory-engine';
import { WatchReports } from '@holdfast/proto/client';
import { expect, it } from 'vitest';

import { enableAccess } from '../access/access.fixture.ts';
import { ClientWatch, type WatchGround } from './client-watch.ts';
import { lineOf, watchOf } from './frame-client.fixture.ts';
import { ReportOutlet } from './report-outlet.ts';
import { EncodedEvents } from './watch-events.ts';

const own = { actor: 'test', subject: 'own' } as const;

async function standing(name: string) {
  const engine = new MemoryEngine({ clock: new ManualClock() });
  await enableAccess(engine);
  const { body } = await new AccessService(engine).rules(own);
  const subject = { name, passwordRevision: body.password(name)?.revision };
  const said: Uint8Array[] = [];
  const send = (payload: Uint8Array): boolean => said.push(payload) > 0;
  const outlet = new ReportOutlet({ pendingBytes: () => 0, send });
  const ground: WatchGround = {
    watches: engine.pull(() => undefined, subject),
    events: new EncodedEvents(),
    outlet,
    onReady: () => undefined,
  };
  const lines = (): readonly string[] => {
    outlet.flush();
    return WatchReports.decode(concatBytes(...said)).reports.map(lineOf);
  };
  return { engine, ground, lines };
}

it('keeps the rest of a long revision from whoever may not read it any more', async () => {
  const { engine, ground, lines } = await standing('alice');
  const { order } = watchOf(1, 'a', { end: 'b' });
  if (order?.$case !== 'open') throw new Error('it opens a watch');
  const watch = new ClientWatch(1, order.value);
  watch.begin(ground);
  const value = new Uint8Array(300_000);
  const puts = ['a1', 'a2', 'a3'].map((key) =>
    putOperation({ keyspace: 1, key: utf8(key) }, value),
  );
  await engine.txn(txnRequest({ success: puts }), own);
  expect(watch.tell(ground)).toBeGreaterThan(300_000);
  const revoke = { kind: 'revoke-role', user: 'alice', role: 'writers' } as const;
  await new AccessService(engine).change(revoke, own);
  expect(() => watch.tell(ground)).toThrow('this user may not read that');
  expect(lines()).toHaveLength(1);
});
