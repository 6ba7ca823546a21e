// The version of this build, as /v1/cluster and the log show it.
export const version = '0.1.0';
