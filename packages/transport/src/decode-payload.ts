// Decoding what another process sent: whatever a generated decoder throws becomes `corrupt`,
// because foreign bytes may end a connection, and never this process.
import { HoldfastError } from '@holdfast/base/errors';

type Decoder<T> = { decode(bytes: Uint8Array): T };

/** Throws `corrupt`; `what` names the frame for a person. */
export function decodePayload<T>(decoder: Decoder<T>, payload: Uint8Array, what: string): T {
  try {
    return decoder.decode(payload);
  } catch (error) {
    throw new HoldfastError('corrupt', `${what} does not decode`, { cause: error });
  }
}
