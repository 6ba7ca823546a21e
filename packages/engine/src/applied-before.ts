// What remains of a repeated write whose first answer was too long to be kept (safety.md 21): that
// it took effect, and when. Thrown, because there is no body that a caller could be given instead.
import { HoldfastError } from '@holdfast/base/errors';
import { type Revision, revision } from '@holdfast/base/ids';

export class AppliedBefore extends HoldfastError {
  readonly revision: Revision;
  /** Of a transaction: whether its comparisons held. True for everything else. */
  readonly succeeded: boolean;

  constructor(kept: { readonly revision: number; readonly succeeded: boolean }) {
    const branch = kept.succeeded ? '' : ', by its failure branch';
    super(
      'already-exists',
      `this write was applied before, at revision ${kept.revision}${branch}; its answer was too ` +
        'long to be kept',
      { outcome: 'applied', details: kept },
    );
    this.revision = revision(kept.revision);
    this.succeeded = kept.succeeded;
  }
}
