// Goal: a transaction that apply would refuse for the number of its operations is never copied to
// other members. Method: whole members in memory, on a clock that the test moves.
import { utf8 } from '@holdfast/base/bytes';
import { compareAbsent, putOperation, txnOperation, txnRequest } from '@holdfast/domain/requests';
import { expect, it } from 'vitest';

import { actor, cleanWorlds, keysOf } from './embedded-engine.fixture.ts';

const worlds = cleanWorlds();
const puts = (count: number) =>
  Array.from({ length: count }, (_, at) => putOperation(keysOf(`k${at}`), utf8('x')));
const comparisons = (count: number) =>
  Array.from({ length: count }, (_, at) => compareAbsent(keysOf(`k${at}`)));

function nested(depth: number) {
  let txn = txnRequest({ success: puts(1) });
  for (let at = 1; at < depth; at += 1) txn = txnRequest({ failure: [txnOperation(txn)] });
  return txn;
}

it('one with too many operations, or too deep, is refused before it is proposed', async () => {
  const world = await worlds.started(3);
  const { engine } = world.leader;
  const lastIndex = (): number => engine.status().commitIndex;
  await world.settle(world.leader.put('a', 'x'));
  const before = lastIndex();
  const within = txnRequest({
    success: [...puts(64), txnOperation(txnRequest({ success: puts(64) }))],
  });
  const tooMany = /at most 128 operations/;
  for (const [txn, words] of [
    [txnRequest({ success: puts(129) }), tooMany],
    [txnRequest({ failure: puts(129) }), tooMany],
    [txnRequest({ compare: comparisons(129) }), tooMany],
    [within, tooMany],
    [nested(9), /nest 8 deep/],
  ] as const) {
    const refused = engine.txn(txn, actor).catch((error: unknown) => error);
    const outcome = { code: 'too-large', outcome: 'not-applied' };
    expect(await world.settle(refused)).toMatchObject(outcome);
    expect(String(await refused)).toMatch(words);
  }
  expect(lastIndex()).toBe(before);
  const taken = await world.settle(engine.txn(txnRequest({ success: puts(128) }), actor));
  expect(taken.body.succeeded).toBe(true);
  await world.settle(engine.txn(nested(8), actor));
  expect(lastIndex()).toBe(before + 2);
});
