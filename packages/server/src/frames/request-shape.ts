// Where the messages stand in what clients send (client.proto), for the look that is taken at a
// frame before it is decoded.
import { flat, shapeOf, txnShape } from '../field-count.ts';

/** Of those that hold no other message: the place in a session first, the session's calls last. */
const flatRequests = [3, 8, 9, 10, 12, 14, 15, 16, 17, 18, 19, 20, 21];
const txn = 11;
const list = 13;

export const requestsShape = shapeOf([
  1,
  shapeOf(
    ...flatRequests.map((field) => [field, flat] as const),
    [txn, txnShape],
    [list, shapeOf([1, flat])],
  ),
]);

/** To open, to pay and to cancel. */
export const ordersShape = shapeOf([1, shapeOf([2, flat], [3, flat], [4, flat])]);
