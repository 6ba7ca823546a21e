// Options that the commands on configurations share.
import type { ConfigId, ReadConsistency } from '@holdfast/client/config-api';
import { type Command, Option } from 'commander';

import { durationMs, integerIn } from '../option-parsers.ts';

export type PlaceOptions = { readonly namespace: string; readonly group: string };

export type FreshnessOptions = {
  readonly consistency: ReadConsistency;
  readonly maxAge?: number;
  readonly minRevision?: number;
};

export const withPlace = (command: Command): Command =>
  command
    .option('-n, --namespace <name>', 'namespace', 'default')
    .option('-g, --group <name>', 'group', 'default');

export const withFreshness = (command: Command): Command =>
  command
    .addOption(
      new Option('--consistency <level>', 'how fresh the answer must be')
        .choices(['linearizable', 'bounded', 'stale'])
        .default('linearizable'),
    )
    .addOption(
      new Option('--max-age <duration>', 'for bounded reads: how old it may be')
        .argParser(durationMs)
        .implies({ consistency: 'bounded' }),
    )
    .addOption(
      new Option('--min-revision <revision>', 'wait until the member has this revision').argParser(
        integerIn(0, Number.MAX_SAFE_INTEGER),
      ),
    );

/** As the SDK's calls want it. */
export const freshnessOf = (options: FreshnessOptions) => ({
  consistency: options.consistency,
  maxAgeMs: options.maxAge,
  minRevision: options.minRevision,
});

export const revisionOption = (flags: string, description: string): Option =>
  new Option(flags, description).argParser(integerIn(0, Number.MAX_SAFE_INTEGER));

export const versionOption = (flags: string, description: string): Option =>
  new Option(flags, description).argParser(integerIn(1, Number.MAX_SAFE_INTEGER));

export const idOf = (name: string, { namespace, group }: PlaceOptions): ConfigId => ({
  namespace,
  group,
  name,
});
