// Registers the loader hook with the edits that the environment names. Imported before tsx.
import { register } from 'node:module';

register('./loader-hook.mjs', import.meta.url, {
  data: JSON.parse(process.env.HOLDFAST_EDITS ?? '[]'),
});
