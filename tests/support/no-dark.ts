// Why the tests in the rig for the dark cannot run here, if they cannot: a reader of the run is
// told once a file, because reporters leave out the titles of skipped tests.
import { whyNoDark } from '../../tools/lib/dark-support.mjs';

export const noDark = whyNoDark();

/** Follows a suite's title. */
export const skipped = noDark === undefined ? '' : `, skipped: ${noDark}`;

if (noDark !== undefined) {
  process.stdout.write(`skipped: no rig for the dark here, because ${noDark}\n`);
}
