// What Debian's python3-etcd3 is asked: functions of python-cases.py. It has no elections, no
// hashKV, and of users and rights what it brings beside its client.
import type { Area } from './area.ts';

export type PythonCase = Area & { readonly name: string };

export const pythonCases: readonly PythonCase[] = [
  { area: 'put', does: 'puts, if there is none, or another in its place', name: 'put' },
  { area: 'get', does: 'reads a key and what is known of it', name: 'get' },
  { area: 'prefix', does: 'reads a prefix, in every order', name: 'prefix' },
  { area: 'range', does: 'reads from a key to another, and all', name: 'get_range' },
  { area: 'del', does: 'deletes a key, a prefix, and tells what was', name: 'delete' },
  { area: 'txn', does: 'compares and does one of two things', name: 'transaction' },
  { area: 'watch', does: 'tells of a key, a prefix, from a revision on', name: 'watch' },
  { area: 'watch', does: 'begins no earlier than what was compacted', name: 'watch_compacted' },
  {
    area: 'lease',
    does: 'is granted, kept alive, looked at, and takes its keys with it',
    name: 'lease',
  },
  {
    area: 'lock',
    does: 'is held by one, kept alive, given back, and held by the next',
    name: 'lock',
  },
  { area: 'compaction', does: 'forgets what was before a revision', name: 'compaction' },
  { area: 'member', does: 'lists the members', name: 'members' },
  { area: 'endpoint', does: 'tells the state of a member', name: 'status' },
  { area: 'endpoint', does: 'hashes all that a member has', name: 'hashes' },
  { area: 'alarm', does: 'lists and disarms alarms, where there are none', name: 'alarms' },
  { area: 'defrag', does: 'is done', name: 'defragment' },
  { area: 'snapshot', does: 'is streamed to its end', name: 'snapshot' },
  { area: 'role', does: 'is added, granted a prefix, looked at', name: 'roles' },
  { area: 'user', does: 'is added, given a role, looked at', name: 'users' },
  {
    area: 'auth',
    does: 'asks everybody who they are, and lets them do what their roles say',
    name: 'auth',
  },
];
