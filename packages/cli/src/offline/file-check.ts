// The small files of a data directory: both copies of each twin file, and what earlier lives have
// left lying about. Reads only.
import type { Disk } from '@holdfast/storage/disk';
import { diskErrorCode } from '@holdfast/storage/disk-error';
import { twinCopies } from '@holdfast/storage/twin-file';

import type { Finding } from './finding.ts';

type TwinFile = {
  readonly file: string;
  readonly what: string;
  /** What it means if neither copy can be read; how grave that is, the rehearsal says. */
  readonly bothBad: string;
};

export const groupDirectory = 'groups/0';
export const logDirectory = `${groupDirectory}/log`;
export const snapshotDirectory = `${groupDirectory}/snapshots`;

const twinFiles: readonly TwinFile[] = [
  {
    file: 'identity',
    what: 'identity',
    bothBad: 'nobody knows whose directory this is: a start is refused',
  },
  {
    file: `${groupDirectory}/status`,
    what: 'status (term, vote)',
    bothBad: 'the member does not vote until it has heard the terms of all other voters',
  },
  {
    file: `${logDirectory}/base`,
    what: 'purge mark',
    bothBad: 'the oldest file of the log is taken for the first',
  },
  {
    file: `${logDirectory}/rot`,
    what: 'note about earlier damage',
    bothBad: 'the whole log counts as damaged, and is repaired from the others',
  },
  {
    file: 'members',
    what: 'list of known members',
    bothBad: 'wiped members are recognised only when the log has been replayed',
  },
  {
    file: 'peers',
    what: 'list of peers',
    bothBad: 'nobody knows where the others are: a start is refused',
  },
  {
    file: `${groupDirectory}/quarantine`,
    what: 'note about the trust in the state',
    bothBad: 'the state is in doubt until a comparison with the others has found it sound',
  },
];

export async function checkTwinFiles(disk: Disk): Promise<readonly Finding[]> {
  const findings: Finding[] = [];
  for (const twin of twinFiles) findings.push(...(await checkTwin(disk, twin)));
  return findings;
}

async function checkTwin(disk: Disk, twin: TwinFile): Promise<readonly Finding[]> {
  const { file } = twin;
  const copies = await copiesOf(disk, file);
  const bad = copies.filter(({ sequence }) => sequence === undefined);
  const isLost = copies.length > 0 && bad.length === copies.length;
  return bad.map(({ offset }, at) => ({
    severity: 'damage',
    file,
    offset,
    what: `copy ${copies.findIndex((one) => one.offset === offset) + 1} of the ${twin.what} is bad`,
    means: isLost
      ? at === 0
        ? 'so is the other one'
        : twin.bothBad
      : 'the other copy is good: a start writes this one again',
  }));
}

async function copiesOf(disk: Disk, path: string): ReturnType<typeof twinCopies> {
  try {
    const file = await disk.open(path, { readOnly: true });
    try {
      return await twinCopies(file);
    } finally {
      await file.close();
    }
  } catch (error) {
    if (diskErrorCode(error) === 'ENOENT') return [];
    throw error;
  }
}

/** What a crash left unfinished, and what was set aside as damaged. */
export async function checkRemains(disk: Disk): Promise<readonly Finding[]> {
  const findings: Finding[] = [];
  for (const directory of [snapshotDirectory, logDirectory, `${logDirectory}/damaged`]) {
    for (const name of await disk.list(directory)) {
      const found = remainOf(name, directory.endsWith('/damaged'));
      if (found) findings.push({ severity: 'note', file: `${directory}/${name}`, ...found });
    }
  }
  return findings;
}

function remainOf(name: string, isSetAside: boolean): Pick<Finding, 'what' | 'means'> | undefined {
  if (isSetAside) {
    return { what: 'a copy of a damaged file of the log', means: 'kept for people; never read' };
  }
  if (name.endsWith('.bad')) {
    return { what: 'a damaged snapshot, set aside earlier', means: 'kept for a while; never read' };
  }
  if (name.endsWith('.part')) {
    return {
      what: 'a snapshot that was received in part',
      means: 'the rest is asked for, if it is still wanted',
    };
  }
  if (!name.endsWith('.tmp')) return undefined;
  return { what: 'an unfinished file', means: 'a start removes it' };
}
