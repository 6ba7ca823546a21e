// Names of the rig's network namespaces. They say which process owns them, so that those of a run
// that crashed can be told from those of a run beside this one.

const prefix = 'hf-dark-';

export type Owner = { readonly pid: number; readonly rig: number };

export const namespaceOf = ({ pid, rig }: Owner, machine: string): string =>
  `${prefix}${pid}-${rig}-${machine}`;

/** The owner of a namespace, or undefined for one that no rig has made. */
export function ownerOf(namespace: string): Owner | undefined {
  const match = /^hf-dark-(\d+)-(\d+)-[a-z][a-z0-9-]*$/.exec(namespace);
  return match ? { pid: Number(match[1]), rig: Number(match[2]) } : undefined;
}

/** The names in what `ip netns list` prints, which adds an id to some. */
export const parseNamespaces = (printed: string): readonly string[] =>
  printed
    .split('\n')
    .map((line) => line.split(' ')[0] ?? '')
    .filter((name) => name !== '');

/** Those whose owner has ended without removing them. */
export const staleNamespaces = (
  namespaces: readonly string[],
  isAlive: (pid: number) => boolean,
): readonly string[] =>
  namespaces.filter((name) => {
    const owner = ownerOf(name);
    return owner !== undefined && !isAlive(owner.pid);
  });

/** The first rig's number that a process has not in use yet, as threads share its id. */
export function freeOwner(pid: number, namespaces: readonly string[]): Owner {
  const owners = namespaces.map(ownerOf).filter((owner) => owner?.pid === pid);
  return { pid, rig: Math.max(0, ...owners.map((owner) => owner?.rig ?? 0)) + 1 };
}
