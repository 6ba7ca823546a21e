// The version of this build, as /v1/cluster, the log and recordings show it.
export const version = '0.1.0';
