// Looks, before anything is started, whether a folder holds the cluster that is to run there. One
// is known by the names and addresses of its members at the first start, so that another --nodes or
// --base-port makes another one: its members refuse, and new ones would be made beside them.
import { readdirSync } from 'node:fs';
import { join } from 'node:path';

import { HoldfastError, isHoldfastError } from '@holdfast/base/errors';
import { deriveClusterId } from '@holdfast/server/identity';
import { IdentityFile, type StoredIdentity } from '@holdfast/storage/identity-file';
import { NodeDisk } from '@holdfast/storage/node-disk';

import type { MemberPlan } from './member-process.ts';

/** Throws `cluster-mismatch`. */
export async function assertSameCluster(
  dataDir: string,
  plans: readonly MemberPlan[],
): Promise<void> {
  const members = plans.map(({ name, peer }) => ({ name, address: peer }));
  const expected = deriveClusterId(members, undefined);
  const found = await identitiesIn(dataDir);
  const names = new Set(plans.map(({ name }) => name));
  const other = found.find(({ name, clusterId }) => names.has(name) && clusterId !== expected);
  if (!other) return;
  const all = found.filter(({ clusterId }) => clusterId === other.clusterId);
  throw mismatch(dataDir, all, plans.length);
}

async function identitiesIn(dataDir: string): Promise<readonly StoredIdentity[]> {
  const folders = readdirSync(dataDir).filter((name) => /^n\d+$/.test(name));
  const found = await Promise.all(folders.map((name) => identityIn(join(dataDir, name))));
  return found.filter((one) => one !== undefined);
}

async function identityIn(folder: string): Promise<StoredIdentity | undefined> {
  try {
    return await new IdentityFile({ disk: new NodeDisk(folder) }).peek();
  } catch (error) {
    if (!isHoldfastError(error)) throw error;
    return undefined; // Damaged, or not to be read: its member says more about it.
  }
}

function mismatch(dataDir: string, found: readonly StoredIdentity[], nodes: number): HoldfastError {
  const names = found
    .map(({ name }) => name)
    .sort((a, b) => Number(a.slice(1)) - Number(b.slice(1)));
  const holds = `${dataDir} holds a cluster of ${names.length} (${names.join(', ')})`;
  const isOfOtherSize = names.length !== nodes;
  const what = isOfOtherSize ? `not one of ${nodes}` : 'made with another --base-port';
  const say = isOfOtherSize ? `--nodes ${names.length}` : 'the --base-port of its first start';
  return new HoldfastError('cluster-mismatch', `${holds}, ${what}`, {
    details: { hint: `say ${say}, name another --data-dir, or remove ${dataDir}` },
  });
}
