// A program that uses the npm package etcd3.
import type { Etcd3 } from 'etcd3';

import type { LibraryCase } from './area.ts';

export type NodeProgram = { readonly etcd: Etcd3; readonly hosts: readonly string[] };

export type NodeCase = LibraryCase<NodeProgram>;
