// Goal: the judge of access refuses what no rules allowed, and a refusal that all rules allowed,
// and accepts the nearest ones that were right. Method: rules made by hand.
import { utf8 } from '@holdfast/base/bytes';
import { gateRange, passwordRange, roleRange, userRange } from '@holdfast/domain/access-key';
import { encodeRole, encodeUser } from '@holdfast/domain/access-record';
import type { PermissionKind } from '@holdfast/domain/permission';
import { beforeEach, describe, expect, it } from 'vitest';
import { AccessSafety, signed, signerOf } from './access-safety.ts';

const user = { name: 'ann', passwordRevision: 2 };
const empty = utf8('');

const put = ({ key }: { readonly key: Uint8Array }, value = empty) => ({ key, value });
const gone = ({ key }: { readonly key: Uint8Array }) => ({ key, value: undefined });
const role = (kind: PermissionKind, key: string, rangeEnd = '') =>
  put(
    roleRange('r'),
    encodeRole({ permissions: [{ kind, key: utf8(key), rangeEnd: utf8(rangeEnd) }] }),
  );

const read = (key: string, rangeEnd = '') => ({
  ...{ subject: user, kind: 'read' as const, key, rangeEnd },
});
const write = (key: string) => ({ subject: user, kind: 'write' as const, key });

let judge: AccessSafety;

/** Ann may write u1 from revision 4 on, and read u0 to u9 from revision 6 on; all is on from 3. */
beforeEach(() => {
  judge = new AccessSafety();
  judge.changed(2, [
    put(userRange('ann'), encodeUser({ roles: ['r'] })),
    put(passwordRange('ann')),
  ]);
  judge.changed(3, [put(gateRange)]);
  judge.changed(4, [put(gateRange), role('write', 'u1')]);
  judge.changed(6, [put(gateRange), role('read', 'u0', 'u9')]);
});

describe('the judge of access', () => {
  it('holds a write against the rules in force when it took effect', () => {
    judge.wrote(write('u1'), 2);
    expect(() => judge.wrote(write('u1'), 3)).toThrow(/write of u1 by ann .* took effect at 3/);
    judge.wrote(write('u1'), 5);
    expect(() => judge.wrote(write('u2'), 5)).toThrow('u2');
    expect(() => judge.wrote({ ...write('u1'), subject: undefined }, 5)).toThrow('nobody');
    expect(() => judge.wrote(write('u1'), 7)).toThrow('took effect at 7');
  });

  it('holds a read against those of the revision that it shows', () => {
    expect(() => judge.read(read('u1'), 5)).toThrow('was shown revision 5');
    judge.read(read('u1'), 6);
    judge.read(read('u0', 'u9'), 9);
    expect(() => judge.read(read('u0', 'v'), 9)).toThrow('u0 to v');
    const other = { ...read('u1'), subject: { ...user, passwordRevision: 1 } };
    expect(() => judge.read(other, 9)).toThrow('by password 1');
  });

  it('allows an event by the rules of any moment until it was given', () => {
    judge.watched(read('u1'), { revision: 4, reached: 6 });
    expect(() => judge.watched(read('u1'), { revision: 4, reached: 5 })).toThrow('of 4 at 5');
    judge.changed(7, [gone(gateRange)]);
    judge.watched(read('zz'), { revision: 7, reached: 8 });
    judge.changed(9, [put(gateRange), gone(roleRange('r'))]);
    expect(() => judge.watched(read('u1'), { revision: 9, reached: 9 })).toThrow('of 9 at 9');
  });

  it('allows a refusal by the rules of any moment since the call began', () => {
    judge.refused(write('u1'), { from: 3, to: 5 });
    expect(() => judge.refused(write('u1'), { from: 4, to: 5 })).toThrow('allowed from 4 to 5');
    judge.refused(write('u1'), { from: 4, to: 6 });
  });

  it('knows who signed what', () => {
    expect(signerOf(signed(user, 7))).toEqual({ subject: user });
    expect(signerOf(signed(undefined, 7))).toEqual({ subject: undefined });
    expect(signerOf('v12')).toBeUndefined();
  });
});
