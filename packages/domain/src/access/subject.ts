// Who asks, as a door has found it proven. A proof is as old as the door's knowledge; whoever
// judges holds it against the rules that count then.

/** A user, by a password or a token that came from one, or by a client's certificate. */
export type ProvenUser = {
  readonly name: string;
  /**
   * Of the password that was shown: another one since then ends the proof. Undefined: a
   * certificate.
   */
  readonly passwordRevision: number | undefined;
  /** Of the token that was shown, by the wall clock: for whoever keeps the proof. */
  readonly endsAtMs?: number | undefined;
};

/** `own`: the cluster's own work, which nobody asked for; no door ever says so. */
export type Subject = ProvenUser | 'own';
