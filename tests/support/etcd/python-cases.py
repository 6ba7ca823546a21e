# What Debian's python3-etcd3 is asked, each in a function of its own. Run with the names of those
# that are wanted, it says of each on a line whether it held, as JSON.
import io
import json
import queue
import sys
import traceback

import etcd3
from etcd3 import etcdrpc, exceptions
import grpc

TTL_SECONDS = 4


def fails(call, kind, sentence=''):
    try:
        call()
    except kind as error:
        assert sentence in str(error), error
        return
    raise AssertionError('it was answered')


def put(etcd):
    assert etcd.put('put/a', 'one').prev_kv.key == b''
    before = etcd.put('put/a', b'\x00\xff', prev_kv=True).prev_kv
    assert (before.value, before.version) == (b'one', 1), before
    assert etcd.get('put/a')[0] == b'\x00\xff'
    assert not etcd.put_if_not_exists('put/a', 'x')
    assert etcd.put_if_not_exists('put/new', 'x')
    assert etcd.replace('put/new', 'x', 'y') and not etcd.replace('put/new', 'x', 'z')
    fails(lambda: etcd.put('', 'x'), grpc.RpcError, 'etcdserver: key is not provided')


def get(etcd):
    etcd.put('get/a', 'one')
    created = etcd.get('get/a')[1].mod_revision
    etcd.put('get/a', 'two')
    assert etcd.get('get/a')[0] == b'two'
    # Only now: a member that passed the put on may have applied it a moment after its answer.
    value, about = etcd.get('get/a', serializable=True)
    assert value == b'two' and about.key == b'get/a'
    assert (about.create_revision, about.version) == (created, 2)
    assert about.mod_revision == created + 1 == about.response_header.revision
    assert etcd.get('get/none') == (None, None)


def prefix(etcd):
    for name, value in (('b', '2'), ('a', '3'), ('c', '1')):
        etcd.put('prefix/' + name, value)
    values = [value for value, _ in etcd.get_prefix('prefix/')]
    assert values == [b'3', b'2', b'1'], values
    by_value = etcd.get_prefix('prefix/', sort_order='descend', sort_target='value')
    assert [about.key for _, about in by_value] == [b'prefix/a', b'prefix/b', b'prefix/c']
    newest = etcd.get_prefix('prefix/', sort_order='descend', sort_target='mod')
    assert next(newest)[0] == b'1'
    assert etcd.get_prefix_response('prefix/', keys_only=True).kvs[0].value == b''


def get_range(etcd):
    for name in 'abc':
        etcd.put('range/' + name, name)
    assert [value for value, _ in etcd.get_range('range/a', 'range/c')] == [b'a', b'b']
    assert [about.key for _, about in etcd.get_all(sort_order='ascend')].count(b'range/c') == 1


def delete(etcd):
    for name in 'abc':
        etcd.put('del/' + name, name)
    assert not etcd.delete('del/none')
    deleted = etcd.delete('del/a', prev_kv=True, return_response=True)
    assert (deleted.deleted, deleted.prev_kvs[0].value) == (1, b'a')
    assert etcd.delete_prefix('del/').deleted == 2
    assert list(etcd.get_prefix('del/')) == []


def transaction(etcd):
    etcd.put('txn/a', 'one')
    when = etcd.transactions

    def swap():
        return etcd.transaction(
            compare=[
                when.value('txn/a') == 'one',
                when.version('txn/a') > 0,
                when.create('txn/b') == 0,
            ],
            success=[when.put('txn/a', 'two'), when.get('txn/a')],
            failure=[when.get('txn/a'), when.delete('txn/a')],
        )

    is_first, (_, read) = swap()
    assert is_first and read[0][0] == b'two'
    is_second, (read, _) = swap()
    assert not is_second and read[0][0] == b'two'
    assert etcd.get('txn/a') == (None, None)


def watch(etcd):
    etcd.put('watch/a', '0')
    start = etcd.get('watch/a')[1].mod_revision
    events, cancel = etcd.watch_prefix('watch/', start_revision=start, prev_kv=True)
    heard = queue.Queue()
    etcd.add_watch_callback('watch/a', heard.put)
    etcd.put('watch/b', '1')
    etcd.delete('watch/a')
    told = [next(events) for _ in range(3)]
    assert [(one.key, one.value) for one in told[:2]] == [(b'watch/a', b'0'), (b'watch/b', b'1')]
    assert isinstance(told[2], etcd3.events.DeleteEvent) and told[2].prev_value == b'0'
    assert [one.key for one in heard.get(timeout=10).events] == [b'watch/a']
    cancel()
    fails(lambda: etcd.watch_once('watch/silent', timeout=0.1), exceptions.WatchTimedOut)


def watch_compacted(etcd):
    etcd.put('watched/a', '1')
    first = etcd.get('watched/a')[1].mod_revision
    etcd.put('watched/a', '2')
    etcd.compact(first + 1)
    etcd.get('watched/a')  # Its own member knows of it now, too.
    events, _ = etcd.watch('watched/a', start_revision=first)
    try:
        next(events)
    except exceptions.RevisionCompactedError as error:
        assert error.compacted_revision == first + 1, error
    else:
        raise AssertionError('it tells what was compacted')


def lease(etcd):
    granted = etcd.lease(30)
    assert granted.granted_ttl == 30 and 0 < granted.remaining_ttl <= 30
    etcd.put('lease/a', '1', lease=granted)
    assert etcd.get('lease/a')[1].lease_id == granted.id
    assert granted.keys == [b'lease/a']
    assert [answer.TTL for answer in granted.refresh()] == [30]
    granted.revoke()
    assert etcd.get('lease/a') == (None, None)
    late = 'etcdserver: requested lease not found'
    fails(lambda: etcd.put('lease/a', '1', lease=granted.id), grpc.RpcError, late)
    assert etcd.get_lease_info(granted.id).TTL == -1


def lock(etcd):
    # Waiting for a lock does not work with the tenacity that Debian has beside it.
    other = etcd.lock('one', ttl=30)
    with etcd.lock('one', ttl=30) as held:
        assert held.is_acquired() and not other.is_acquired() and not other.release()
        assert [answer.TTL for answer in held.refresh()] == [30]
    assert not held.is_acquired()
    assert other.acquire() and other.is_acquired() and other.release()


def compaction(etcd):
    etcd.put('compact/a', '1')
    first = etcd.get('compact/a')[1].mod_revision
    etcd.put('compact/a', '2')
    etcd.compact(first + 1, physical=True)
    gone = 'etcdserver: mvcc: required revision has been compacted'
    fails(lambda: etcd.compact(first), grpc.RpcError, gone)


def members(etcd):
    listed = list(etcd.members)
    assert sorted(one.name for one in listed) == ['n1', 'n2', 'n3']
    assert all(one.client_urls[0].startswith('http://') for one in listed)


def status(etcd):
    told = etcd.status()
    assert told.version.startswith('3.5.') and told.leader.name in ('n1', 'n2', 'n3')
    assert told.raft_term > 0 and told.raft_index > 0 and told.db_size > 0


def hashes(etcd):
    before = etcd.hash()
    etcd.put('hashed/a', '1')
    assert etcd.get('hashed/a')[0] == b'1'  # Its own member has it now, too.
    assert etcd.hash() != before


def alarms(etcd):
    assert list(etcd.list_alarms()) == [] and etcd.disarm_alarm() == []
    fails(etcd.create_alarm, grpc.RpcError, 'UNIMPLEMENTED')


def defragment(etcd):
    etcd.defragment()


def snapshot(etcd):
    file = io.BytesIO()
    etcd.snapshot(file)
    assert len(file.getvalue()) > 1000


def roles(etcd):
    stub = etcdrpc.AuthStub(etcd.channel)
    stub.RoleAdd(etcdrpc.AuthRoleAddRequest(name='reader'))
    again = 'etcdserver: role name already exists'
    fails(lambda: stub.RoleAdd(etcdrpc.AuthRoleAddRequest(name='reader')), grpc.RpcError, again)
    readable = dict(permType=0, key=b'public/', range_end=b'public0')
    stub.RoleGrantPermission(
        etcdrpc.AuthRoleGrantPermissionRequest(name='reader', perm=readable)
    )
    [told] = stub.RoleGet(etcdrpc.AuthRoleGetRequest(role='reader')).perm
    assert (told.permType, told.key, told.range_end) == (0, b'public/', b'public0')


def users(etcd):
    stub = etcdrpc.AuthStub(etcd.channel)
    stub.UserAdd(etcdrpc.AuthUserAddRequest(name='ann', password='secret'))
    stub.UserGrantRole(etcdrpc.AuthUserGrantRoleRequest(user='ann', role='reader'))
    assert stub.UserGet(etcdrpc.AuthUserGetRequest(name='ann')).roles == ['reader']
    assert stub.UserList(etcdrpc.AuthUserListRequest()).users == ['ann']


def known_as(etcd, user, password):
    host, port = etcd._url.split(':')
    client = etcd3.client(host, port, user=user, password=password)
    # gRPC lends credentials to TLS alone; the library sends its token beside them, too.
    client.call_credentials = None
    return client


def auth(etcd):
    stub = etcdrpc.AuthStub(etcd.channel)
    stub.UserAdd(etcdrpc.AuthUserAddRequest(name='root', password='top'))
    stub.RoleAdd(etcdrpc.AuthRoleAddRequest(name='root'))
    stub.UserGrantRole(etcdrpc.AuthUserGrantRoleRequest(user='root', role='root'))
    etcd.put('public/a', '1')
    stub.AuthEnable(etcdrpc.AuthEnableRequest())
    fails(lambda: etcd.get('public/a'), grpc.RpcError, 'user name is empty')
    wrong = 'authentication failed, invalid user ID or password'
    fails(lambda: known_as(etcd, 'ann', 'top'), grpc.RpcError, wrong)
    ann = known_as(etcd, 'ann', 'secret')
    assert ann.get('public/a')[0] == b'1'
    fails(lambda: ann.put('public/a', '2'), grpc.RpcError, 'etcdserver: permission denied')
    root = known_as(etcd, 'root', 'top')
    root.put('public/a', '2')
    etcdrpc.AuthStub(root.channel).AuthDisable(
        etcdrpc.AuthDisableRequest(), metadata=root.metadata
    )
    assert etcd.get('public/a')[0] == b'2'


def follow(etcd):
    """Watches and keeps a lease alive, whatever happens to the others, until it is ended."""
    granted = etcd.lease(TTL_SECONDS)
    etcd.put('leased/python', 'x', lease=granted)
    heard = queue.Queue()
    etcd.add_watch_callback('followed', heard.put)
    print(json.dumps({'told': []}), flush=True)
    while True:
        try:
            answer = heard.get(timeout=0.5)
            told = [event.value.decode() for event in answer.events]
            print(json.dumps({'told': told}), flush=True)
        except queue.Empty:
            pass
        try:
            granted.refresh()
        except (grpc.RpcError, exceptions.Etcd3Exception):
            pass  # Nobody leads for now.


def main(host, port, *names):
    etcd = etcd3.client(host, port, timeout=20)
    for name in names:
        try:
            globals()[name](etcd)
            print(json.dumps({'name': name}), flush=True)
        except BaseException:
            print(json.dumps({'name': name, 'error': traceback.format_exc()}), flush=True)


main(*sys.argv[1:])
