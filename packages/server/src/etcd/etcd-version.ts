// The version of etcd that its clients are told: what we serve is its API of that version, and
// clients and tools choose by it what they ask.

/** Of the member, `MAJOR.MINOR.PATCH`. */
export const etcdVersion = '3.5.21';

/** Of what all members of the cluster understand. */
export const etcdClusterVersion = '3.5.0';
