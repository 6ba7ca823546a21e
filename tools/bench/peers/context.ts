// What every part of the bench is given.
import type { Progress } from '../progress.ts';
import type { FigureName } from './figure.ts';
import type { Options } from './options.ts';
import type { PeerSystem } from './peer-system.ts';

export type Context = {
  readonly options: Options;
  readonly systems: readonly PeerSystem[];
  /** All that is written stands in it. */
  readonly directory: string;
  readonly progress: Progress;
  /** The time that was given has passed: nothing more is begun. */
  readonly isOver: () => boolean;
  readonly isAsked: (figure: FigureName) => boolean;
};
