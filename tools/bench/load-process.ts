// The generator's process: runs each plan that it is sent, and answers with the result.
import { messageOf } from '@holdfast/base/errors';

import type { LoadPlan } from './load-plan.ts';
import { runLoad } from './load-run.ts';

process.on('message', (plan: LoadPlan) => {
  runLoad(plan).then(
    (result) => process.send?.({ result }),
    (error: unknown) => process.send?.({ error: messageOf(error) }),
  );
});
// The parent may end without a word.
process.on('disconnect', () => process.exit(0));
