// What etcdctl is asked that lives on beside it: watches, leases, locks and elections.
import type { EtcdctlCase } from './etcdctl-script.ts';

const rev = { keep: 'rev', found: /"revision":(\d+)/ } as const;
const lease = { keep: 'lease', found: /lease ([0-9a-f]+) / } as const;

export const liveCases: readonly EtcdctlCase[] = [
  {
    area: 'watch',
    does: 'tells what happens to a key, a prefix, a range, from a revision on',
    steps: [
      { ...rev, of: 'put watch/a 0 -w json' },
      { begin: 'watch watch/a --rev=$rev', as: 'one', lines: 3 },
      { begin: 'watch watch/ --prefix --prev-kv --rev=$rev', as: 'all', lines: 3 },
      { begin: 'watch watch/b watch/d --rev=$rev', as: 'range' },
      'put watch/a 1',
      'put watch/b 2',
      'put watch/d 3',
      'del watch/a',
      'del watch/ --prefix',
      { read: 'one', lines: 9 },
      { stop: 'one' },
      { read: 'all', lines: 27 },
      { stop: 'all' },
      { read: 'range', lines: 6 },
      { stop: 'range' },
    ],
  },
  {
    area: 'watch',
    does: 'begins no earlier than what was compacted, and many at a time',
    steps: [
      'put watched/a 1',
      { ...rev, of: 'put watched/a 2 -w json' },
      'compact $rev',
      'watch watched/a --rev=1',
      {
        begin: 'watch -i',
        as: 'many',
        input: 'watch watched/a --rev=$rev\nwatch watched/b --rev=$rev\n',
        lines: 3,
      },
      'put watched/b 1',
      { read: 'many', lines: 6 },
      { stop: 'many' },
    ],
  },
  {
    area: 'lease',
    does: 'is granted, kept alive, looked at, and takes its keys with it',
    steps: [
      { ...lease, of: 'lease grant 600' },
      'put lease/a 1 --lease=$lease',
      'put lease/b 2 --lease=$lease',
      'get lease/a',
      'lease timetolive $lease',
      'lease timetolive $lease --keys',
      'lease keep-alive $lease --once',
      'lease list',
      'lease revoke $lease',
      'get lease/ --prefix',
      'lease revoke $lease',
      'lease timetolive $lease',
      'lease keep-alive $lease --once',
      'lease grant 0',
      'lease grant soon',
    ],
  },
  {
    area: 'lease',
    does: 'ends by itself when nobody keeps it alive',
    steps: [
      { ...lease, of: 'lease grant 2' },
      { ...rev, of: 'put ended/a 1 --lease=$lease -w json' },
      { begin: 'watch ended/a --rev=$rev', as: 'end', lines: 6 },
      { stop: 'end' },
      'get ended/a',
      'lease timetolive $lease',
    ],
  },
  {
    area: 'lock',
    does: 'is held by one, and given to the next',
    steps: [
      { begin: 'lock locks/one', as: 'first', lines: 1 },
      { begin: 'lock locks/one', as: 'second' },
      { stop: 'first' },
      { read: 'second', lines: 1 },
      { stop: 'second' },
      'lock locks/one echo held',
      'lock locks/one false',
    ],
  },
  {
    area: 'elect',
    does: 'elects one, tells who, and elects the next',
    steps: [
      { begin: 'elect elections/one first', as: 'first', lines: 2 },
      { begin: 'elect -l elections/one', as: 'observer', lines: 2 },
      { begin: 'elect elections/one second', as: 'second' },
      { stop: 'first' },
      { read: 'second', lines: 2 },
      { read: 'observer', lines: 4 },
      { stop: 'second' },
      { stop: 'observer' },
    ],
  },
];
