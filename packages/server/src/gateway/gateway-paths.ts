// Where each method of etcd is found in the gateway (the HTTP rules of etcd's own .proto files,
// their additional bindings included).

/** By package and service; of each method what stands behind `/v3/`. */
const services: Readonly<Record<string, Readonly<Record<string, readonly string[]>>>> = {
  'etcdserverpb.KV': {
    Range: ['kv/range'],
    Put: ['kv/put'],
    DeleteRange: ['kv/deleterange'],
    Txn: ['kv/txn'],
    Compact: ['kv/compaction'],
  },
  'etcdserverpb.Watch': { Watch: ['watch'] },
  'etcdserverpb.Lease': {
    LeaseGrant: ['lease/grant'],
    LeaseRevoke: ['lease/revoke', 'kv/lease/revoke'],
    LeaseKeepAlive: ['lease/keepalive'],
    LeaseTimeToLive: ['lease/timetolive', 'kv/lease/timetolive'],
    LeaseLeases: ['lease/leases', 'kv/lease/leases'],
  },
  'etcdserverpb.Cluster': {
    MemberAdd: ['cluster/member/add'],
    MemberRemove: ['cluster/member/remove'],
    MemberUpdate: ['cluster/member/update'],
    MemberList: ['cluster/member/list'],
    MemberPromote: ['cluster/member/promote'],
  },
  'etcdserverpb.Maintenance': {
    Alarm: ['maintenance/alarm'],
    Status: ['maintenance/status'],
    Defragment: ['maintenance/defragment'],
    Hash: ['maintenance/hash'],
    HashKV: ['maintenance/hashkv'],
    Snapshot: ['maintenance/snapshot'],
    MoveLeader: ['maintenance/transfer-leadership'],
    Downgrade: ['maintenance/downgrade'],
  },
  'etcdserverpb.Auth': {
    AuthEnable: ['auth/enable'],
    AuthDisable: ['auth/disable'],
    AuthStatus: ['auth/status'],
    Authenticate: ['auth/authenticate'],
    UserAdd: ['auth/user/add'],
    UserGet: ['auth/user/get'],
    UserList: ['auth/user/list'],
    UserDelete: ['auth/user/delete'],
    UserChangePassword: ['auth/user/changepw'],
    UserGrantRole: ['auth/user/grant'],
    UserRevokeRole: ['auth/user/revoke'],
    RoleAdd: ['auth/role/add'],
    RoleGet: ['auth/role/get'],
    RoleList: ['auth/role/list'],
    RoleDelete: ['auth/role/delete'],
    RoleGrantPermission: ['auth/role/grant'],
    RoleRevokePermission: ['auth/role/revoke'],
  },
  'v3lockpb.Lock': { Lock: ['lock/lock'], Unlock: ['lock/unlock'] },
  'v3electionpb.Election': {
    Campaign: ['election/campaign'],
    Proclaim: ['election/proclaim'],
    Leader: ['election/leader'],
    Observe: ['election/observe'],
    Resign: ['election/resign'],
  },
};

/** The gateway's own one, and those of etcd 3.3 and before, which old programs still say. */
export const gatewayPrefixes: readonly string[] = ['/v3', '/v3beta', '/v3alpha'];

/** Whatever looks like one and is none is not for the gateway to answer. */
export const isGatewayUrl = (url: string): boolean =>
  url.startsWith('/v3') && gatewayPrefixes.some((prefix) => url.startsWith(`${prefix}/`));

/** A method's path, `/package.Service/Method`, by what stands behind the prefix: `/kv/range`. */
export const gatewayPaths: ReadonlyMap<string, string> = new Map(
  Object.entries(services).flatMap(([service, methods]) =>
    Object.entries(methods).flatMap(([method, paths]) =>
      paths.map((path) => [`/${path}`, `/${service}/${method}`] as const),
    ),
  ),
);
