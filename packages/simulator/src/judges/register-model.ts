// The specification of one key, as a pure function: what an operation may answer in a state, and
// which state it leaves behind.
import { unreachable } from '@holdfast/base/assert';
import type { Register, RegisterOperation } from '../history.ts';

/** The state after `operation` in `state`, or `refuted` if its answer cannot have come from it. */
export function stepRegister(
  state: Register,
  operation: RegisterOperation,
): { readonly state: Register } | 'refuted' {
  const { action, result } = operation;
  if (result?.type === 'observed' && result.before !== state) return 'refuted';
  switch (action.type) {
    case 'get':
      return { state };
    case 'put':
      return { state: action.value };
    case 'delete':
      return { state: undefined };
    case 'compare-and-set':
      return { state: state === action.expected ? action.value : state };
    default:
      return unreachable(action);
  }
}

/** The value that the operation writes if it takes effect; undefined for one that writes none. */
export function writtenValue({ action }: RegisterOperation): string | undefined {
  return action.type === 'put' || action.type === 'compare-and-set' ? action.value : undefined;
}
