#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Reference client and codec for the FastDFS 6.16 wire protocol.

Written from fastdfs-protocol.md and fastdfs-semantics.md only (section numbers
in comments refer to the former, "sem." to the latter).  Standard library only.

Three layers, each usable alone:

* codec       file ids, records, request builders ``req_*``, strict decoders
              ``decode_request`` / ``decode_response``
* Connection  one TCP connection, one outstanding request, strict framing
* Probe       black-box test of a running tracker and its storages

Command line (``--help`` for all options):

    fdfs_ref.py --tracker HOST:PORT probe        run every client command
    fdfs_ref.py --tracker HOST:PORT upload FILE  (also download, delete, info,
                                                  groups, storages, params)
    fdfs_ref.py decode FILE_ID                   explain a file id
    fdfs_ref.py verify FILE.jsonl ...            check recorded vectors
    fdfs_ref.py selftest                         codec against the known values
"""

import argparse
import hashlib
import ipaddress
import json
import socket
import struct
import sys
import time
import zlib
from dataclasses import dataclass, field
from enum import IntEnum

# --------------------------------------------------------------------------
# Numbers
# --------------------------------------------------------------------------

HEADER_SIZE = 10
RESPONSE = 100
GROUP_LEN = 16
ID_LEN = 16
IP_LEN = 46
VERSION_LEN = 8
EXT_LEN = 6
PREFIX_LEN = 16
HOST_LEN = 52
BRIEF_SIZE = 67
STAT_SIZE = 348
GROUP_STAT_SIZE = 113
SYNC_RECORD_SIZE = 24
TRUNK_RECORD_SIZE = 15
BINLOG_UNKNOWN_LENGTH = 1 << 58
MAX_FILENAME = 127
DEFAULT_STORAGE_PORT = 23000


class Cmd(IntEnum):
    REPORT_SERVER_ID = 9
    UPLOAD = 11
    DELETE = 12
    SET_METADATA = 13
    DOWNLOAD = 14
    GET_METADATA = 15
    SYNC_CREATE = 16
    SYNC_DELETE = 17
    SYNC_UPDATE = 18
    SYNC_LINK = 19
    CREATE_LINK = 20
    UPLOAD_SLAVE = 21
    FILE_INFO = 22
    UPLOAD_APPENDER = 23
    APPEND = 24
    SYNC_APPEND = 25
    FETCH_BINLOG = 26
    TRUNK_ALLOC = 27
    TRUNK_CONFIRM = 28
    TRUNK_FREE = 29
    TRUNK_BINLOG = 30
    TRUNK_BINLOG_SIZE = 31
    TRUNK_DELETE_MARKS = 32
    TRUNK_TRUNCATE_BINLOG = 33
    MODIFY = 34
    SYNC_MODIFY = 35
    TRUNCATE = 36
    SYNC_TRUNCATE = 37
    REGENERATE_NAME = 38
    SYNC_RENAME = 40
    JOIN_LEADER = 58
    CHANGE_STATUS = 59
    MY_ADDRESS = 60
    SYS_FILES_START = 61
    SYS_FILES_END = 62
    SYS_FILE_READ = 63
    TRACKER_STATUS = 64
    PING_LEADER = 65
    NOTIFY_LEADER = 66
    COMMIT_LEADER = 67
    RESELECT_LEADER = 68
    STORAGE_IDS = 69
    SERVER_ID = 70
    SERVER_STATUS = 71
    TRUNK_ID_FETCH = 72
    TRUNK_ID_REPORT = 73
    TRUNK_FREE_REPORT = 74
    PARAMETERS = 75
    REPORT_STATUS = 76
    CHANGE_LOG = 77
    IP_CHANGED = 78
    MY_SYNC_SOURCE = 79
    JOIN = 81
    QUIT = 82
    BEAT = 83
    DISK_REPORT = 84
    PEER_LIST = 85
    PEER_SYNC_SOURCE = 86
    NEED_SYNC_SOURCE = 87
    NOTIFY_SYNC_SOURCE = 88
    SYNC_TIMESTAMPS = 89
    LIST_GROUP = 90
    LIST_GROUPS = 91
    LIST_STORAGES = 92
    DELETE_STORAGE = 93
    SET_TRUNK_SERVER = 94
    GET_LEADER = 95
    STAT_TRACKERS = 96
    STAT_STORAGES = 97
    STAT_VOLUMES = 98
    STORE_ONE = 101
    FETCH_ONE = 102
    UPDATE_ONE = 103
    STORE_ONE_GROUP = 104
    FETCH_ALL = 105
    STORE_ALL = 106
    STORE_ALL_GROUP = 107
    DELETE_GROUP = 108
    GROUP_OF_SERVER = 109
    ACTIVE_TEST = 111


class Errno(IntEnum):
    OK = 0
    EPERM = 1
    ENOENT = 2
    EINTR = 4
    EIO = 5
    EAGAIN = 11
    ENOMEM = 12
    EACCES = 13
    EFAULT = 14
    EBUSY = 16
    EEXIST = 17
    EISDIR = 21
    EINVAL = 22
    ENOSPC = 28
    ENAMETOOLONG = 36
    ENODATA = 61
    ENONET = 64
    EOPNOTSUPP = 95
    ETIMEDOUT = 110
    ECONNREFUSED = 111
    EALREADY = 114
    EINPROGRESS = 115


class State(IntEnum):
    INIT = 0
    WAIT_SYNC = 1
    SYNCING = 2
    IP_CHANGED = 3
    DELETED = 4
    OFFLINE = 5
    ONLINE = 6
    ACTIVE = 7
    RECOVERY = 9
    NONE = 99


def status_name(value):
    try:
        return Errno(value).name
    except ValueError:
        return str(value)


def cmd_name(value):
    try:
        return Cmd(value).name
    except ValueError:
        return "CMD_%d" % value


class ProtocolError(Exception):
    """The peer sent bytes that the specification does not allow."""


class StatusError(Exception):
    """The peer answered with a non-zero status."""

    def __init__(self, cmd, status):
        super().__init__("%s -> %s" % (cmd_name(cmd), status_name(status)))
        self.cmd = cmd
        self.status = status


# --------------------------------------------------------------------------
# Fields
# --------------------------------------------------------------------------


def padded(value, width, need_nul=False):
    """str[N] / strz[N] of section 1."""
    data = value.encode() if isinstance(value, str) else bytes(value)
    if len(data) > width - (1 if need_nul else 0):
        raise ValueError("%r does not fit %d bytes" % (value, width))
    return data + b"\0" * (width - len(data))


def unpadded(data):
    return data.split(b"\0", 1)[0].decode("latin-1")


def i8(value):
    return struct.pack(">B", value & 0xFF)


def i32(value):
    return struct.pack(">i", value)


def i64(value):
    return struct.pack(">q", value)


def group_field(group):
    return padded(group, GROUP_LEN)


class Reader:
    """Cursor over a body; every read and the end are checked."""

    def __init__(self, data):
        self.data = data
        self.pos = 0

    def raw(self, count):
        if count < 0 or self.pos + count > len(self.data):
            raise ProtocolError("body ends at %d, wanted %d more at %d"
                                % (len(self.data), count, self.pos))
        part = self.data[self.pos:self.pos + count]
        self.pos += count
        return part

    def text(self, width, need_nul=False):
        part = self.raw(width)
        if need_nul and b"\0" not in part:
            raise ProtocolError("text of %d bytes without NUL" % width)
        return unpadded(part)

    def u8(self):
        return self.raw(1)[0]

    def s8(self):
        return struct.unpack(">b", self.raw(1))[0]

    def i32(self):
        return struct.unpack(">i", self.raw(4))[0]

    def i64(self):
        return struct.unpack(">q", self.raw(8))[0]

    def left(self):
        return len(self.data) - self.pos

    def rest(self, low=0, high=None):
        count = self.left()
        if count < low or (high is not None and count > high):
            raise ProtocolError("rest of %d bytes outside %s..%s"
                                % (count, low, high))
        return self.raw(count)

    def end(self):
        if self.left():
            raise ProtocolError("%d surplus bytes at %d"
                                % (self.left(), self.pos))


# --------------------------------------------------------------------------
# File ids (sem. 2)
# --------------------------------------------------------------------------

BASE64_ALPHABET = ("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                   "0123456789-_")
BASE64_VALUE = {c: i for i, c in enumerate(BASE64_ALPHABET)}

FLAG_RANDOM = 1 << 63     # low 32 bits are the size, bits 54..32 random
FLAG_TRUNK = 1 << 59
FLAG_APPENDER = 1 << 58


def base64_encode(data, pad=""):
    out = []
    for start in range(0, len(data), 3):
        chunk = data[start:start + 3]
        value = int.from_bytes(chunk + b"\0" * (3 - len(chunk)), "big")
        chars = [BASE64_ALPHABET[value >> shift & 63]
                 for shift in (18, 12, 6, 0)]
        out.append("".join(chars[:len(chunk) + 1]) + pad * (3 - len(chunk)))
    return "".join(out)


def base64_decode(text):
    value, bits, out = 0, 0, bytearray()
    for char in text:
        if char not in BASE64_VALUE:
            raise ValueError("character %r is not in the alphabet" % char)
        value = value << 6 | BASE64_VALUE[char]
        bits += 6
        if bits >= 8:
            bits -= 8
            out.append(value >> bits & 0xFF)
            value &= (1 << bits) - 1
    return bytes(out)


@dataclass
class FileId:
    group: str
    path: int                 # store path index
    high: int                 # first subdirectory
    low: int                  # second subdirectory
    source: bytes             # 4 bytes as in the name
    timestamp: int
    masked_size: int          # 64 bits as in the name
    crc32: int
    tail: str                 # all after the 27 (trunk: 43) characters
    trunk: tuple = None       # (trunk file id, offset, allocated size)

    @classmethod
    def parse(cls, text):
        """Accepts ``group/Mxx/HH/HH/name``."""
        group, _, filename = text.partition("/")
        parts = filename.split("/")
        if len(parts) != 4:
            raise ValueError("%r is not Mxx/HH/HH/name" % filename)
        mark, high, low, name = parts
        if len(mark) != 3 or mark[0] != "M" or len(high) != 2 or len(low) != 2:
            raise ValueError("bad directories in %r" % filename)
        for part in (mark[1:], high, low):
            if any(c not in "0123456789ABCDEF" for c in part):
                raise ValueError("directories must be upper-case hex")
        if not 1 <= len(filename) <= MAX_FILENAME or len(name) < 34:
            raise ValueError("bad length of %r" % filename)
        raw = base64_decode(name[:27])
        masked = int.from_bytes(raw[8:16], "big")
        trunk, tail = None, name[27:]
        # A normal name is 34 long; a trunk name has 16 more characters.
        if masked & FLAG_TRUNK and not masked & FLAG_APPENDER \
                and masked & FLAG_RANDOM and len(name) >= 50:
            trunk = struct.unpack(">iii", base64_decode(name[27:43]))
            tail = name[43:]
        return cls(group, int(mark[1:], 16), int(high, 16), int(low, 16),
                   raw[:4], int.from_bytes(raw[4:8], "big"), masked,
                   int.from_bytes(raw[16:20], "big"), tail, trunk)

    @property
    def raw(self):
        return (self.source + struct.pack(">IQI", self.timestamp,
                                          self.masked_size, self.crc32))

    @property
    def name27(self):
        return base64_encode(self.raw)

    @property
    def filename(self):
        trunk = ""
        if self.trunk:
            trunk = base64_encode(struct.pack(">iii", *self.trunk))
        return "M%02X/%02X/%02X/%s%s%s" % (
            self.path, self.high, self.low, self.name27, trunk, self.tail)

    def __str__(self):
        return self.group + "/" + self.filename

    @property
    def source_id(self):
        """Server id, or None when the source is an IPv4 address."""
        value = int.from_bytes(self.source, "little")
        return value if 1 <= value <= 16777215 else None

    @property
    def source_ip(self):
        if self.source_id is not None:
            return None
        return ".".join(str(b) for b in self.source)

    @property
    def is_appender(self):
        return bool(self.masked_size & FLAG_APPENDER)

    @property
    def is_trunk(self):
        return self.trunk is not None

    @property
    def is_slave(self):
        length = len(self.filename)
        return length > 60 or (length > 44 and not self.is_trunk)

    @property
    def size(self):
        """File size, None when the name does not tell it."""
        if self.is_appender or self.is_slave:
            return None
        if self.masked_size & (FLAG_TRUNK | FLAG_RANDOM):
            return self.masked_size & 0xFFFFFFFF
        return self.masked_size

    @property
    def kind(self):
        if self.is_slave:
            return "slave"
        if self.is_appender:
            return "appender"
        return "trunk" if self.is_trunk else "normal"

    def slave_name(self, prefix, ext):
        """Filename of a slave of this file (sem. 2.7)."""
        stem = self.filename
        dot = stem.rfind(".", len(stem) - 7)
        if dot >= 0:
            stem = stem[:dot]
        return stem + prefix + ("." + ext if ext else "")


def mask_size(size, random23=0, appender=False, trunk=False):
    if appender:
        return FLAG_RANDOM | FLAG_APPENDER | random23 << 32
    if size >= 1 << 32:
        return size
    return FLAG_RANDOM | (FLAG_TRUNK if trunk else 0) | random23 << 32 | size


def source_from_ip(text):
    return ipaddress.IPv4Address(text).packed


def source_from_id(number):
    return struct.pack("<I", number)


def pjw_hash(data):
    """Directory hash of sem. 2.4, 32-bit signed arithmetic."""
    value = 0
    for byte in data:
        value = (value << 4) + byte & 0xFFFFFFFF
        top = value & 0xF0000000
        if top:
            signed = top - (1 << 32) if top & 0x80000000 else top
            value = (value ^ signed >> 24) & 0x0FFFFFFF
    return value


def ipv6_short_code(address):
    register = zlib.crc32(address.encode()) ^ 0xFFFFFFFF
    return base64_encode(struct.pack("<Q", register), pad=".")


def antisteal_token(identifier, timestamp, secret):
    text = identifier + secret + str(timestamp)
    return hashlib.md5(text.encode()).hexdigest()


def normalise_tail(ext, digits):
    """Last seven characters of a name (sem. 2.3)."""
    if not ext:
        return digits[:7].rjust(7, "0")
    return digits[:6 - len(ext)].rjust(6 - len(ext), "0") + "." + ext


# --------------------------------------------------------------------------
# Records (section 4)
# --------------------------------------------------------------------------

STAT_COUNTERS = (
    "upload_total upload_ok append_total append_ok modify_total modify_ok "
    "truncate_total truncate_ok set_meta_total set_meta_ok delete_total "
    "delete_ok download_total download_ok get_meta_total get_meta_ok "
    "link_total link_ok delete_link_total delete_link_ok "
    "upload_bytes upload_bytes_ok append_bytes append_bytes_ok "
    "modify_bytes modify_bytes_ok download_bytes download_bytes_ok "
    "sync_in_bytes sync_in_bytes_ok sync_out_bytes sync_out_bytes_ok "
    "open_total open_ok read_total read_ok write_total write_ok "
    "last_source_update last_sync_update last_synced_timestamp "
    "last_heartbeat").split()
STAT_FIELDS = ["conn_alloc", "conn_current", "conn_max"] + STAT_COUNTERS
STAT_STRUCT = struct.Struct(">3i42q")

GROUP_FIELDS = ("total_mb free_mb reserved_mb trunk_free_mb storage_count "
                "storage_port readable writable current_write_server "
                "path_count subdir_count trunk_file_id").split()
DETAIL_FIELDS = ("join_time up_time total_mb free_mb reserved_mb priority "
                 "path_count subdir_count current_write_path port").split()


def pack_brief(state, port, storage_id, address):
    return (i8(state) + i32(port) + padded(storage_id, ID_LEN, True)
            + padded(address, IP_LEN, True))


def read_brief(r):
    return {"state": r.u8(), "port": r.i32(),
            "id": r.text(ID_LEN, True), "ip": r.text(IP_LEN, True)}


def pack_stat(**counters):
    unknown = set(counters) - set(STAT_FIELDS)
    if unknown:
        raise ValueError("unknown counters %s" % sorted(unknown))
    return STAT_STRUCT.pack(*[counters.get(n, 0) for n in STAT_FIELDS])


def read_stat(r):
    return dict(zip(STAT_FIELDS, STAT_STRUCT.unpack(r.raw(STAT_SIZE))))


def read_group_stat(r):
    record = {"group": r.text(17, True)}
    record.update((name, r.i64()) for name in GROUP_FIELDS)
    return record


def read_detail(r, width):
    record = {"state": r.u8(), "rw": r.u8(), "id": r.text(ID_LEN, True),
              "ip": r.text(width, True), "source_id": r.text(ID_LEN, True),
              "version": r.text(VERSION_LEN)}
    record.update((name, r.i64()) for name in DETAIL_FIELDS)
    record["stat"] = read_stat(r)
    record["is_trunk_server"] = r.u8()
    if record["rw"] not in (0, 2, 4, 6):
        raise ProtocolError("rw mode %d" % record["rw"])
    if record["is_trunk_server"] > 1:
        raise ProtocolError("trunk flag %d" % record["is_trunk_server"])
    return record


def pack_sync_record(source_id, until):
    return padded(source_id, ID_LEN, True) + i64(until)


def read_sync_record(r):
    return {"source_id": r.text(ID_LEN), "until": r.i64()}


@dataclass
class TrunkSlot:
    path: int
    high: int
    low: int
    file_id: int
    offset: int
    size: int

    def pack(self):
        return struct.pack(">BBBiii", self.path, self.high, self.low,
                           self.file_id, self.offset, self.size)

    @classmethod
    def read(cls, r):
        return cls(*struct.unpack(">BBBiii", r.raw(TRUNK_RECORD_SIZE)))


SLOT_HEADER = struct.Struct(">cIIII7s")     # 24 bytes, sem. 13.2


def pack_metadata(pairs):
    return b"\x01".join(
        name.encode() + b"\x02" + value.encode() for name, value in pairs)


def parse_metadata(data):
    if not data:
        return []
    pairs = []
    for item in data.split(b"\x01"):
        name, mark, value = item.partition(b"\x02")
        if mark:
            pairs.append((name.decode("utf-8", "replace"),
                          value.decode("utf-8", "replace")))
    return pairs


# --------------------------------------------------------------------------
# Requests
# --------------------------------------------------------------------------


@dataclass
class Request:
    cmd: int
    body: bytes = b""
    flag: int = 0             # header status byte

    def pack(self):
        return (struct.pack(">qBB", len(self.body), self.cmd, self.flag)
                + self.body)


def empty(cmd):
    return Request(cmd)


# 5. tracker commands for clients ------------------------------------------

def req_query_store(group=None, all_servers=False):
    if group is None:
        return Request(Cmd.STORE_ALL if all_servers else Cmd.STORE_ONE)
    cmd = Cmd.STORE_ALL_GROUP if all_servers else Cmd.STORE_ONE_GROUP
    return Request(cmd, group_field(group))


def req_query_file(cmd, group, filename):
    if cmd not in (Cmd.FETCH_ONE, Cmd.UPDATE_ONE, Cmd.FETCH_ALL):
        raise ValueError(cmd)
    return Request(cmd, group_field(group) + filename.encode())


def req_list_group(group):
    return Request(Cmd.LIST_GROUP, group_field(group))


def req_list_groups():
    return Request(Cmd.LIST_GROUPS)


def req_list_storages(group, storage_id=""):
    return Request(Cmd.LIST_STORAGES, group_field(group) + storage_id.encode())


def req_delete_storage(group, storage_id):
    return Request(Cmd.DELETE_STORAGE,
                   group_field(group) + storage_id.encode())


def req_delete_group(group):
    return Request(Cmd.DELETE_GROUP, group_field(group))


def req_set_trunk_server(group, storage_id=""):
    return Request(Cmd.SET_TRUNK_SERVER,
                   group_field(group) + storage_id.encode())


def req_get_leader():
    return Request(Cmd.GET_LEADER)


def req_storage_ids(start=0, allow_empty=True):
    return Request(Cmd.STORAGE_IDS, i32(start) + i8(allow_empty))


def req_parameters():
    return Request(Cmd.PARAMETERS)


def req_stat_trackers(filters=0, active=0, leader=0):
    return Request(Cmd.STAT_TRACKERS, bytes((filters, active, leader)))


def req_stat_storages(filters=0, operator="=", state=0, is_trunk=0):
    return Request(Cmd.STAT_STORAGES,
                   bytes((filters, ord(operator), state, is_trunk)))


def req_stat_volumes(filters=0, disk=0, trunk=0, either=0):
    return Request(Cmd.STAT_VOLUMES, bytes((filters, disk, trunk, either)))


# 6. tracker commands for storages -----------------------------------------

def req_join(group, port, trackers, *, paths=1, subdirs=256, priority=10,
             join_time=0, up_time=0, version="6.16.1", init=1, state=-1,
             storage_id="", tracker_ip="", ):
    """``trackers``: lines without newline, e.g. "10.0.0.1:22122"."""
    body = padded(group, 17, True)
    for value in (port, paths, subdirs, priority, join_time, up_time):
        body += i64(value)
    body += padded(version, VERSION_LEN) + i8(init) + i8(state)
    body += padded(storage_id, ID_LEN, True) + padded(tracker_ip, IP_LEN, True)
    body += i64(len(trackers))
    body += "".join(line + "\n" for line in trackers).encode()
    return Request(Cmd.JOIN, body)


def req_beat(stat=b""):
    if len(stat) not in (0, STAT_SIZE):
        raise ValueError("statistics block of %d bytes" % len(stat))
    return Request(Cmd.BEAT, stat)


def req_disk_report(paths):
    """``paths``: list of (total MB, free MB)."""
    return Request(Cmd.DISK_REPORT,
                   b"".join(i64(total) + i64(free) for total, free in paths))


def req_sync_timestamps(entries):
    return Request(Cmd.SYNC_TIMESTAMPS, b"".join(
        padded(sid, ID_LEN) + i32(ts) for sid, ts in entries))


def req_peer_list(briefs):
    return Request(Cmd.PEER_LIST, b"".join(pack_brief(*b) for b in briefs))


def req_need_sync_source():
    return Request(Cmd.NEED_SYNC_SOURCE)


def req_notify_sync_source(source_id, until):
    return Request(Cmd.NOTIFY_SYNC_SOURCE, pack_sync_record(source_id, until))


def req_my_sync_source():
    return Request(Cmd.MY_SYNC_SOURCE)


def req_peer_sync_source(group, storage_id):
    return Request(Cmd.PEER_SYNC_SOURCE,
                   group_field(group) + padded(storage_id, ID_LEN))


def req_report_status(group, brief):
    return Request(Cmd.REPORT_STATUS, group_field(group) + pack_brief(*brief))


def req_change_status(state):
    return Request(Cmd.CHANGE_STATUS, i8(state))


def req_my_address(group, port):
    return Request(Cmd.MY_ADDRESS, padded(group, 17, True) + i32(port))


def req_server_id(group, host):
    return Request(Cmd.SERVER_ID, group_field(group) + host.encode())


def req_server_status(group, host):
    return Request(Cmd.SERVER_STATUS, group_field(group) + host.encode())


def req_group_of_server(port, ip=""):
    return Request(Cmd.GROUP_OF_SERVER, ip.encode() + i32(port))


def req_change_log(group=None, storage_id=None):
    if group is None:
        return Request(Cmd.CHANGE_LOG)
    return Request(Cmd.CHANGE_LOG,
                   group_field(group) + padded(storage_id, ID_LEN))


def req_ip_changed(group, old, new):
    return Request(Cmd.IP_CHANGED, group_field(group)
                   + padded(old, IP_LEN, True) + padded(new, IP_LEN, True))


def req_trunk_id_fetch():
    return Request(Cmd.TRUNK_ID_FETCH)


def req_trunk_id_report(file_id):
    return Request(Cmd.TRUNK_ID_REPORT, i32(file_id))


def req_trunk_free_report(free_mb):
    return Request(Cmd.TRUNK_FREE_REPORT, i64(free_mb))


def req_reselect_leader():
    return Request(Cmd.RESELECT_LEADER)


# 7. tracker to tracker ----------------------------------------------------

def req_tracker_status():
    return Request(Cmd.TRACKER_STATUS)


def req_notify_leader(host):
    return Request(Cmd.NOTIFY_LEADER, host.encode())


def req_commit_leader(host):
    return Request(Cmd.COMMIT_LEADER, host.encode())


def req_join_leader(up_time, version, port):
    return Request(Cmd.JOIN_LEADER,
                   i64(up_time) + padded(version, VERSION_LEN) + i64(port))


def req_ping_leader(allocated, current, maximum):
    return Request(Cmd.PING_LEADER,
                   i32(allocated) + i32(current) + i32(maximum))


def req_sys_file_read(index, offset):
    return Request(Cmd.SYS_FILE_READ, i8(index) + i64(offset))


# 8. storage commands ------------------------------------------------------

def req_upload(content, ext="", path=255, appender=False):
    return Request(Cmd.UPLOAD_APPENDER if appender else Cmd.UPLOAD,
                   i8(path) + i64(len(content)) + padded(ext, EXT_LEN)
                   + content)


def req_upload_slave(master, prefix, content, ext=""):
    name = master.encode()
    return Request(Cmd.UPLOAD_SLAVE, i64(len(name)) + i64(len(content))
                   + padded(prefix, PREFIX_LEN) + padded(ext, EXT_LEN)
                   + name + content)


def req_append(filename, content):
    name = filename.encode()
    return Request(Cmd.APPEND,
                   i64(len(name)) + i64(len(content)) + name + content)


def req_modify(filename, offset, content):
    name = filename.encode()
    return Request(Cmd.MODIFY, i64(len(name)) + i64(offset)
                   + i64(len(content)) + name + content)


def req_truncate(filename, size):
    name = filename.encode()
    return Request(Cmd.TRUNCATE, i64(len(name)) + i64(size) + name)


def req_delete(group, filename):
    return Request(Cmd.DELETE, group_field(group) + filename.encode())


def req_set_metadata(group, filename, text, flag="O"):
    name = filename.encode()
    return Request(Cmd.SET_METADATA, i64(len(name)) + i64(len(text))
                   + flag.encode() + group_field(group) + name + text)


def req_get_metadata(group, filename):
    return Request(Cmd.GET_METADATA, group_field(group) + filename.encode())


def req_download(group, filename, offset=0, count=0):
    return Request(Cmd.DOWNLOAD, i64(offset) + i64(count)
                   + group_field(group) + filename.encode())


def req_create_link(group, source, ext="", master="", prefix="",
                    signature=b""):
    return Request(Cmd.CREATE_LINK, i64(len(master)) + i64(len(source))
                   + i64(len(signature)) + group_field(group)
                   + padded(prefix, PREFIX_LEN) + padded(ext, EXT_LEN)
                   + master.encode() + source.encode() + signature)


INFO_NO_CRC = 1
INFO_SILENT = 2


def req_file_info(group, filename, flags=0):
    return Request(Cmd.FILE_INFO, group_field(group) + filename.encode(),
                   flags)


def req_regenerate_name(filename):
    return Request(Cmd.REGENERATE_NAME, filename.encode())


def req_report_server_id(storage_id):
    return Request(Cmd.REPORT_SERVER_ID, padded(storage_id, ID_LEN))


def req_sync_file(cmd, group, filename, ts, content, have_it=False):
    """16 create / 18 update; have_it: announce the size, send no content."""
    name = filename.encode()
    body = (i64(len(name)) + i64(len(content)) + i32(ts) + group_field(group)
            + name)
    if have_it:
        return Request(cmd, body, int(Errno.EEXIST))
    return Request(cmd, body + content)


def req_sync_delete(group, filename, ts):
    return Request(Cmd.SYNC_DELETE,
                   i32(ts) + group_field(group) + filename.encode())


def req_sync_patch(cmd, group, filename, ts, offset, content):
    """25 append / 35 modify."""
    name = filename.encode()
    return Request(cmd, i64(len(name)) + i64(offset) + i64(len(content))
                   + i32(ts) + group_field(group) + name + content)


def req_sync_truncate(group, filename, ts, old_size, new_size):
    name = filename.encode()
    return Request(Cmd.SYNC_TRUNCATE, i64(len(name)) + i64(old_size)
                   + i64(new_size) + i32(ts) + group_field(group) + name)


def req_sync_pair(cmd, group, new_name, old_name, ts):
    """19 link (link, target) / 40 rename (new, old)."""
    new, old = new_name.encode(), old_name.encode()
    return Request(cmd, i64(len(new)) + i64(len(old)) + i32(ts)
                   + group_field(group) + new + old)


def req_fetch_binlog(group, path):
    return Request(Cmd.FETCH_BINLOG, group_field(group) + i8(path))


def req_trunk_alloc(group, size, path):
    return Request(Cmd.TRUNK_ALLOC, group_field(group) + i32(size) + i8(path))


def req_trunk_confirm(group, slot, status=0):
    return Request(Cmd.TRUNK_CONFIRM, group_field(group) + slot.pack(),
                   status)


def req_trunk_free(group, slot):
    return Request(Cmd.TRUNK_FREE, group_field(group) + slot.pack())


def req_trunk_binlog(text):
    return Request(Cmd.TRUNK_BINLOG, text)


# --------------------------------------------------------------------------
# Strict decoders
# --------------------------------------------------------------------------


def _filename(r):
    return r.rest(1, MAX_FILENAME).decode("latin-1")


def _name(r, length):
    if not 1 <= length <= MAX_FILENAME:
        raise ProtocolError("filename length %d" % length)
    return r.raw(length).decode("latin-1")


def _d_empty(r, flag):
    return {}


def _d_group(r, flag):
    return {"group": r.text(GROUP_LEN)}


def _d_group_file(r, flag):
    return {"group": r.text(GROUP_LEN), "filename": _filename(r)}


def _d_query_file(r, flag):
    if not 38 <= len(r.data) < 144:
        raise ProtocolError("body length %d" % len(r.data))
    return _d_group_file(r, flag)


def _d_group_id(low):
    def decode(r, flag):
        return {"group": r.text(GROUP_LEN),
                "id": r.rest(low, ID_LEN - 1).decode()}
    return decode


def _d_flags(count):
    def decode(r, flag):
        return {"flags": list(r.raw(count))}
    return decode


def _d_ids(r, flag):
    return {"start": r.i32(), "allow_empty": r.u8()}


def _d_join(r, flag):
    out = {"group": r.text(17, True)}
    for name in ("port", "paths", "subdirs", "priority", "join_time",
                 "up_time"):
        out[name] = r.i64()
    out["version"] = r.text(VERSION_LEN)
    out["init"] = r.u8()
    out["state"] = r.s8()
    out["id"] = r.text(ID_LEN, True)
    out["tracker_ip"] = r.text(IP_LEN, True)
    count = r.i64()
    text = r.rest(1, 100 * count).decode()
    lines = text.split("\n")
    if lines.pop() != "" or len(lines) != count or not 1 <= count <= 16:
        raise ProtocolError("tracker lines %r, count %d" % (text, count))
    out["trackers"] = lines
    return out


def _d_beat(r, flag):
    return {"stat": read_stat(r) if r.left() else None}


def _d_disk(r, flag):
    if not r.left() or r.left() % 16:
        raise ProtocolError("disk report of %d bytes" % r.left())
    return {"paths": [(r.i64(), r.i64()) for _ in range(r.left() // 16)]}


def _d_timestamps(r, flag):
    if not r.left() or r.left() % (ID_LEN + 4):
        raise ProtocolError("timestamp report of %d bytes" % r.left())
    return {"entries": [(r.text(ID_LEN), r.i32())
                        for _ in range(r.left() // (ID_LEN + 4))]}


def _d_briefs(r, flag):
    count, rest = divmod(r.left(), BRIEF_SIZE)
    if rest or not 1 <= count <= 32:
        raise ProtocolError("peer list of %d bytes" % r.left())
    return {"peers": [read_brief(r) for _ in range(count)]}


def _d_sync_record(r, flag):
    return read_sync_record(r)


def _d_group_idfield(r, flag):
    return {"group": r.text(GROUP_LEN), "id": r.text(ID_LEN)}


def _d_report_status(r, flag):
    return {"group": r.text(GROUP_LEN), "brief": read_brief(r)}


def _d_u8(r, flag):
    return {"value": r.u8()}


def _d_my_address(r, flag):
    return {"group": r.text(17, True), "port": r.i32()}


def _d_group_host(r, flag):
    return {"group": r.text(GROUP_LEN), "host": r.rest(1, HOST_LEN).decode()}


def _d_group_of_server(r, flag):
    ip = r.raw(r.left() - 4).decode()
    return {"ip": ip, "port": r.i32()}


def _d_change_log(r, flag):
    return _d_group_idfield(r, flag) if r.left() else {}


def _d_ip_changed(r, flag):
    return {"group": r.text(GROUP_LEN), "old": r.text(IP_LEN, True),
            "new": r.text(IP_LEN, True)}


def _d_i32(r, flag):
    return {"value": r.i32()}


def _d_i64(r, flag):
    return {"value": r.i64()}


def _d_host(r, flag):
    return {"host": r.rest(1, HOST_LEN).decode()}


def _d_join_leader(r, flag):
    return {"up_time": r.i64(), "version": r.text(VERSION_LEN),
            "port": r.i64()}


def _d_ping(r, flag):
    return {"connections": [r.i32(), r.i32(), r.i32()]}


def _d_sys_read(r, flag):
    return {"index": r.u8(), "offset": r.i64()}


def _d_upload(r, flag):
    out = {"path": r.u8(), "size": r.i64(), "ext": r.text(EXT_LEN)}
    out["content"] = r.raw(out["size"])
    return out


def _d_upload_slave(r, flag):
    length, size = r.i64(), r.i64()
    out = {"prefix": r.text(PREFIX_LEN), "ext": r.text(EXT_LEN)}
    out["master"] = _name(r, length)
    out["content"] = r.raw(size)
    return out


def _d_append(r, flag):
    length, size = r.i64(), r.i64()
    return {"filename": _name(r, length), "content": r.raw(size)}


def _d_modify(r, flag):
    length, offset, size = r.i64(), r.i64(), r.i64()
    return {"offset": offset, "filename": _name(r, length),
            "content": r.raw(size)}


def _d_truncate(r, flag):
    length, size = r.i64(), r.i64()
    return {"size": size, "filename": _name(r, length)}


def _d_set_metadata(r, flag):
    length, size = r.i64(), r.i64()
    out = {"flag": r.raw(1).decode(), "group": r.text(GROUP_LEN)}
    out["filename"] = _name(r, length)
    out["metadata"] = parse_metadata(r.raw(size))
    if out["flag"] not in "OM":
        raise ProtocolError("metadata flag %r" % out["flag"])
    return out


def _d_download(r, flag):
    out = {"offset": r.i64(), "count": r.i64(), "group": r.text(GROUP_LEN)}
    out["filename"] = _filename(r)
    return out


def _d_create_link(r, flag):
    master, source, signature = r.i64(), r.i64(), r.i64()
    out = {"group": r.text(GROUP_LEN), "prefix": r.text(PREFIX_LEN),
           "ext": r.text(EXT_LEN)}
    out["master"] = r.raw(master).decode()
    out["source"] = _name(r, source)
    out["signature"] = r.raw(signature)
    return out


def _d_file_info(r, flag):
    out = _d_group_file(r, flag)
    out["flags"] = flag
    return out


def _d_filename(r, flag):
    return {"filename": _filename(r)}


def _d_server_id(r, flag):
    return {"id": r.text(ID_LEN)}


def _d_sync_file(r, flag):
    length, size, ts = r.i64(), r.i64(), r.i32()
    out = {"ts": ts, "size": size, "group": r.text(GROUP_LEN)}
    out["filename"] = _name(r, length)
    out["content"] = r.raw(size) if flag == 0 else None
    return out


def _d_sync_delete(r, flag):
    out = {"ts": r.i32(), "group": r.text(GROUP_LEN)}
    out["filename"] = _filename(r)
    return out


def _d_sync_patch(r, flag):
    length, offset, size, ts = r.i64(), r.i64(), r.i64(), r.i32()
    out = {"ts": ts, "offset": offset, "group": r.text(GROUP_LEN)}
    out["filename"] = _name(r, length)
    out["content"] = r.raw(size)
    return out


def _d_sync_truncate(r, flag):
    length, old, new, ts = r.i64(), r.i64(), r.i64(), r.i32()
    out = {"ts": ts, "old_size": old, "new_size": new,
           "group": r.text(GROUP_LEN)}
    out["filename"] = _name(r, length)
    return out


def _d_sync_pair(r, flag):
    new, old, ts = r.i64(), r.i64(), r.i32()
    return {"ts": ts, "group": r.text(GROUP_LEN), "new": _name(r, new),
            "old": _name(r, old)}


def _d_fetch_binlog(r, flag):
    return {"group": r.text(GROUP_LEN), "path": r.u8()}


def _d_trunk_alloc(r, flag):
    return {"group": r.text(GROUP_LEN), "size": r.i32(), "path": r.u8()}


def _d_trunk_slot(r, flag):
    return {"group": r.text(GROUP_LEN), "slot": TrunkSlot.read(r),
            "status": flag}


def _d_text(r, flag):
    return {"text": r.rest()}


REQUEST_DECODERS = {
    Cmd.REPORT_SERVER_ID: _d_server_id,
    Cmd.UPLOAD: _d_upload, Cmd.UPLOAD_APPENDER: _d_upload,
    Cmd.DELETE: _d_group_file, Cmd.SET_METADATA: _d_set_metadata,
    Cmd.DOWNLOAD: _d_download, Cmd.GET_METADATA: _d_group_file,
    Cmd.SYNC_CREATE: _d_sync_file, Cmd.SYNC_UPDATE: _d_sync_file,
    Cmd.SYNC_DELETE: _d_sync_delete, Cmd.SYNC_LINK: _d_sync_pair,
    Cmd.SYNC_RENAME: _d_sync_pair, Cmd.CREATE_LINK: _d_create_link,
    Cmd.UPLOAD_SLAVE: _d_upload_slave, Cmd.FILE_INFO: _d_file_info,
    Cmd.APPEND: _d_append, Cmd.MODIFY: _d_modify, Cmd.TRUNCATE: _d_truncate,
    Cmd.SYNC_APPEND: _d_sync_patch, Cmd.SYNC_MODIFY: _d_sync_patch,
    Cmd.SYNC_TRUNCATE: _d_sync_truncate, Cmd.REGENERATE_NAME: _d_filename,
    Cmd.FETCH_BINLOG: _d_fetch_binlog, Cmd.TRUNK_ALLOC: _d_trunk_alloc,
    Cmd.TRUNK_CONFIRM: _d_trunk_slot, Cmd.TRUNK_FREE: _d_trunk_slot,
    Cmd.TRUNK_BINLOG: _d_text, Cmd.TRUNK_BINLOG_SIZE: _d_empty,
    Cmd.TRUNK_DELETE_MARKS: _d_empty, Cmd.TRUNK_TRUNCATE_BINLOG: _d_empty,
    Cmd.JOIN_LEADER: _d_join_leader, Cmd.CHANGE_STATUS: _d_u8,
    Cmd.MY_ADDRESS: _d_my_address, Cmd.SYS_FILES_START: _d_empty,
    Cmd.SYS_FILES_END: _d_empty, Cmd.SYS_FILE_READ: _d_sys_read,
    Cmd.TRACKER_STATUS: _d_empty, Cmd.PING_LEADER: _d_ping,
    Cmd.NOTIFY_LEADER: _d_host, Cmd.COMMIT_LEADER: _d_host,
    Cmd.RESELECT_LEADER: _d_empty, Cmd.STORAGE_IDS: _d_ids,
    Cmd.SERVER_ID: _d_group_host, Cmd.SERVER_STATUS: _d_group_host,
    Cmd.TRUNK_ID_FETCH: _d_empty, Cmd.TRUNK_ID_REPORT: _d_i32,
    Cmd.TRUNK_FREE_REPORT: _d_i64, Cmd.PARAMETERS: _d_empty,
    Cmd.REPORT_STATUS: _d_report_status, Cmd.CHANGE_LOG: _d_change_log,
    Cmd.IP_CHANGED: _d_ip_changed, Cmd.MY_SYNC_SOURCE: _d_empty,
    Cmd.JOIN: _d_join, Cmd.QUIT: _d_empty, Cmd.BEAT: _d_beat,
    Cmd.DISK_REPORT: _d_disk, Cmd.PEER_LIST: _d_briefs,
    Cmd.PEER_SYNC_SOURCE: _d_group_idfield, Cmd.NEED_SYNC_SOURCE: _d_empty,
    Cmd.NOTIFY_SYNC_SOURCE: _d_sync_record,
    Cmd.SYNC_TIMESTAMPS: _d_timestamps, Cmd.LIST_GROUP: _d_group,
    Cmd.LIST_GROUPS: _d_empty, Cmd.LIST_STORAGES: _d_group_id(0),
    Cmd.DELETE_STORAGE: _d_group_id(1), Cmd.SET_TRUNK_SERVER: _d_group_id(0),
    Cmd.GET_LEADER: _d_empty, Cmd.STAT_TRACKERS: _d_flags(3),
    Cmd.STAT_STORAGES: _d_flags(4), Cmd.STAT_VOLUMES: _d_flags(4),
    Cmd.STORE_ONE: _d_empty, Cmd.STORE_ONE_GROUP: _d_group,
    Cmd.STORE_ALL: _d_empty, Cmd.STORE_ALL_GROUP: _d_group,
    Cmd.FETCH_ONE: _d_query_file, Cmd.UPDATE_ONE: _d_query_file,
    Cmd.FETCH_ALL: _d_query_file, Cmd.DELETE_GROUP: _d_group,
    Cmd.GROUP_OF_SERVER: _d_group_of_server, Cmd.ACTIVE_TEST: _d_empty,
}


def decode_request(cmd, flag, body):
    """Fields of a well-formed request, ProtocolError otherwise."""
    decoder = REQUEST_DECODERS.get(cmd)
    if decoder is None:
        raise ProtocolError("unknown command %d" % cmd)
    r = Reader(body)
    out = decoder(r, flag)
    r.end()
    return out


def _width(length, fixed, item16, item46, exact=None):
    """IP field width from a body length (3.1); IPv4 is tried first."""
    for width, item in ((16, item16), (46, item46)):
        if length > fixed and (length - fixed) % item == 0:
            count = (length - fixed) // item
            if exact is None or count == exact:
                return width, count
    raise ProtocolError("no IP width matches length %d" % length)


def _r_empty(r, req):
    return None


def _r_store_one(r, req):
    return dict(_r_store_all(r, req, exact=1))


def _r_store_all(r, req, exact=None):
    width, count = _width(len(r.data), 17, 23, 53, exact)
    group = r.text(GROUP_LEN)
    servers = [(r.text(width - 1), r.i64()) for _ in range(count)]
    return {"group": group, "servers": servers, "path": r.u8()}


def _r_fetch(exact):
    def parse(r, req):
        total = len(r.data)
        if not exact and (total - 16) % 23 and (total - 16) % 53 \
                and total > 39 and (total - 39) % 15 == 0:
            # The old form of 105 (5.3), narrow: one port for all.
            group, first = r.text(GROUP_LEN), (r.text(15), r.i64())
            return {"group": group, "servers": [first] + [
                (r.text(15), first[1]) for _ in range((total - 39) // 15)]}
        width, count = _width(total, 16, 23, 53, exact)
        return {"group": r.text(GROUP_LEN),
                "servers": [(r.text(width - 1), r.i64())
                            for _ in range(count)]}
    return parse


def _r_group_stats(r, req):
    if r.left() % GROUP_STAT_SIZE:
        raise ProtocolError("group list of %d bytes" % r.left())
    return [read_group_stat(r) for _ in range(r.left() // GROUP_STAT_SIZE)]


def _r_group_stat(r, req):
    return read_group_stat(r)


def _r_details(r, req):
    if not r.left():
        return []
    width, count = _width(len(r.data), 0, 487, 517)
    return [read_detail(r, width) for _ in range(count)]


def _r_text(r, req):
    return r.rest().decode()


def _r_nul_text(r, req):
    data = r.rest(2)
    if data[-1] != 0 or b"\0" in data[:-1]:
        raise ProtocolError("%r must end in its only NUL" % data)
    return data[:-1].decode()


def _r_bytes(r, req):
    return r.rest()


def _r_ids(r, req):
    total, count = r.i32(), r.i32()
    text = r.rest().decode()
    lines = text.splitlines()
    if len(lines) != count or (text and not text.endswith("\n")):
        raise ProtocolError("%d lines, announced %d" % (len(lines), count))
    return {"total": total, "lines": lines}


def _r_parameters(r, req):
    text = r.rest(0, 1023).decode()
    if not text.endswith("\n"):
        raise ProtocolError("parameters must end in a newline")
    return dict(line.split("=", 1) for line in text.splitlines())


def _r_stat_trackers(r, req):
    out = [{"host": r.text(HOST_LEN, True), "leader": r.u8(),
            "active": r.u8(), "connections": [r.i32() for _ in range(3)],
            "version": r.text(VERSION_LEN), "up_time": r.i64(),
            "heartbeat": r.i64()} for _ in range(r.u8())]
    return out


def _r_stat_storages(r, req):
    out = {"use_storage_id": r.u8(), "use_trunk": r.u8()}
    out["storages"] = [
        {"id": r.text(ID_LEN, True), "host": r.text(HOST_LEN, True),
         "trunk": r.u8(), "state": r.u8(),
         "connections": [r.i32() for _ in range(3)],
         "version": r.text(VERSION_LEN), "up_time": r.i64(),
         "heartbeat": r.i64()} for _ in range(r.i32())]
    return out


def _r_stat_volumes(r, req):
    out = {"use_trunk": r.u8()}
    names = "total_mb free_mb reserved_mb available_mb trunk_free_mb".split()
    out["volumes"] = []
    for _ in range(r.i32()):
        item = {"group": r.text(17, True)}
        item.update((name, r.i64()) for name in names)
        item["disk_available"], item["trunk_available"] = r.u8(), r.u8()
        out["volumes"].append(item)
    return out


def _r_join(r, req):
    return {"state": r.u8(), "source_id": r.text(ID_LEN)}


NOTICE_LEADER, NOTICE_TRUNK, NOTICE_MEMBERS = 1, 2, 4


def _r_notice(r, req):
    flags = r.u8()
    out = {"flags": flags}
    if flags & ~7:
        raise ProtocolError("change notice flags %#x" % flags)
    if r.left() % BRIEF_SIZE:
        raise ProtocolError("change notice of %d bytes" % len(r.data))
    if flags & NOTICE_LEADER:
        out["leader"] = read_brief(r)
    if flags & NOTICE_TRUNK:
        out["trunk_server"] = read_brief(r)
    if flags & NOTICE_MEMBERS:
        out["members"] = [read_brief(r)
                          for _ in range(r.left() // BRIEF_SIZE)]
        if not out["members"]:
            raise ProtocolError("empty member list")
    return out


def _r_sync_record(r, req):
    return read_sync_record(r) if r.left() else None


def _r_brief(r, req):
    return read_brief(r)


def _r_group(r, req):
    return r.text(GROUP_LEN)


def _r_i32(r, req):
    return r.i32()


def _r_i64(r, req):
    return r.i64()


def _r_tracker_status(r, req):
    return {"leader": r.u8(), "running": r.i64(), "restart": r.i64()}


def _r_ping(r, req):
    if r.left() % (GROUP_LEN + ID_LEN):
        raise ProtocolError("ping response of %d bytes" % r.left())
    return [(r.text(GROUP_LEN), r.text(ID_LEN))
            for _ in range(r.left() // (GROUP_LEN + ID_LEN))]


def _r_sys_read(r, req):
    return {"size": r.i64(), "content": r.rest(0, 8173)}


def _r_file(r, req):
    return {"group": r.text(GROUP_LEN), "filename": _filename(r)}


def _r_metadata(r, req):
    return parse_metadata(r.rest())


def _r_file_info(r, req):
    width = {40: 16, 70: 46}.get(len(r.data))
    if width is None:
        raise ProtocolError("file info of %d bytes" % len(r.data))
    out = {"size": r.i64(), "created": r.i64()}
    crc = r.i64()
    if not -(1 << 31) <= crc < 1 << 31:
        raise ProtocolError("CRC32 %d is not sign-extended" % crc)
    out["crc32"] = crc & 0xFFFFFFFF
    out["source"] = r.text(width)
    return out


def _r_binlog(r, req):
    if r.left() < 8:
        raise ProtocolError("binlog stream of %d bytes" % r.left())
    text = r.raw(r.left() - 8)
    if r.i64() != len(text):
        raise ProtocolError("binlog trailer does not match")
    return text.decode()


def _r_slot(r, req):
    return TrunkSlot.read(r)


RESPONSE_DECODERS = {
    Cmd.STORE_ONE: _r_store_one, Cmd.STORE_ONE_GROUP: _r_store_one,
    Cmd.STORE_ALL: _r_store_all, Cmd.STORE_ALL_GROUP: _r_store_all,
    Cmd.FETCH_ONE: _r_fetch(1), Cmd.UPDATE_ONE: _r_fetch(1),
    Cmd.FETCH_ALL: _r_fetch(None), Cmd.LIST_GROUP: _r_group_stat,
    Cmd.LIST_GROUPS: _r_group_stats, Cmd.LIST_STORAGES: _r_details,
    Cmd.SET_TRUNK_SERVER: _r_nul_text, Cmd.GET_LEADER: _r_text,
    Cmd.STORAGE_IDS: _r_ids, Cmd.PARAMETERS: _r_parameters,
    Cmd.STAT_TRACKERS: _r_stat_trackers, Cmd.STAT_STORAGES: _r_stat_storages,
    Cmd.STAT_VOLUMES: _r_stat_volumes, Cmd.JOIN: _r_join,
    Cmd.BEAT: _r_notice, Cmd.DISK_REPORT: _r_notice,
    Cmd.SYNC_TIMESTAMPS: _r_notice, Cmd.NEED_SYNC_SOURCE: _r_sync_record,
    Cmd.MY_SYNC_SOURCE: _r_sync_record, Cmd.PEER_SYNC_SOURCE: _r_sync_record,
    Cmd.MY_ADDRESS: _r_text, Cmd.SERVER_ID: _r_text,
    Cmd.SERVER_STATUS: _r_brief, Cmd.GROUP_OF_SERVER: _r_group,
    Cmd.CHANGE_LOG: _r_text, Cmd.TRUNK_ID_FETCH: _r_i32,
    Cmd.TRACKER_STATUS: _r_tracker_status, Cmd.PING_LEADER: _r_ping,
    Cmd.SYS_FILE_READ: _r_sys_read, Cmd.UPLOAD: _r_file,
    Cmd.UPLOAD_APPENDER: _r_file, Cmd.UPLOAD_SLAVE: _r_file,
    Cmd.CREATE_LINK: _r_file, Cmd.REGENERATE_NAME: _r_file,
    Cmd.GET_METADATA: _r_metadata, Cmd.DOWNLOAD: _r_bytes,
    Cmd.FILE_INFO: _r_file_info, Cmd.FETCH_BINLOG: _r_binlog,
    Cmd.TRUNK_ALLOC: _r_slot, Cmd.TRUNK_BINLOG_SIZE: _r_i64,
}


def decode_response(cmd, body, request_body=b""):
    """Value of a status-0 response; all other commands must be empty."""
    r = Reader(body)
    value = RESPONSE_DECODERS.get(cmd, _r_empty)(r, request_body)
    r.end()
    return value


# --------------------------------------------------------------------------
# Connection
# --------------------------------------------------------------------------


def split_host(text, default_port=0):
    if text.startswith("["):
        host, _, port = text[1:].partition("]")
        port = port.lstrip(":")
    else:
        host, _, port = text.partition(":")
    return host, int(port or default_port)


def join_host(host, port):
    return "[%s]:%d" % (host, port) if ":" in host else "%s:%d" % (host, port)


class Closed(ProtocolError):
    """The peer closed the connection instead of answering."""


PATIENCE = 60.0  # never reached when all is well, however busy the machine is


class Connection:
    """Strict request-response over one TCP connection."""

    def __init__(self, host, port, timeout=PATIENCE, source_ip=None,
                 role="", recorder=None):
        source = (source_ip, 0) if source_ip else None
        self.sock = socket.create_connection((host, port), timeout, source)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.peer = (host, port)
        self.role = role
        self.recorder = recorder

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()

    def close(self, quit_first=False):
        if quit_first:
            self.send(Request(Cmd.QUIT))
        self.sock.close()

    def send(self, request):
        self.sock.sendall(request.pack())

    def send_raw(self, data):
        self.sock.sendall(data)

    def _read(self, count, what):
        parts, left = [], count
        while left:
            try:
                part = self.sock.recv(min(left, 1 << 20))
            except ConnectionError as exc:
                raise Closed("connection lost in %s: %s" % (what, exc))
            if not part:
                raise Closed("connection closed in %s" % what)
            parts.append(part)
            left -= len(part)
        return b"".join(parts)

    def read_response(self):
        """-> (header bytes, status, body bytes)"""
        head = self._read(HEADER_SIZE, "header")
        length, cmd, status = struct.unpack(">qBB", head)
        if cmd != RESPONSE:
            raise ProtocolError("response with command %d" % cmd)
        if length == BINLOG_UNKNOWN_LENGTH:
            parts = []
            while True:
                part = self.sock.recv(1 << 20)
                if not part:
                    return head, status, b"".join(parts)
                parts.append(part)
        if length < 0:
            raise ProtocolError("response length %d" % length)
        if status and length:
            raise ProtocolError("status %d with a body of %d bytes"
                                % (status, length))
        return head, status, self._read(length, "body")

    def exchange(self, request, name=None, note=""):
        """Send and receive without judging; -> (status, body)."""
        data = request.pack()
        self.sock.sendall(data)
        try:
            head, status, body = self.read_response()
        except Closed:
            if self.recorder:
                self.recorder(name, self.role, data, b"",
                              (note + "; " if note else "")
                              + "peer closes without response")
            raise
        if self.recorder:
            self.recorder(name, self.role, data, head + body, note)
        return status, body

    def call(self, request, name=None, note=""):
        """Send and decode; raises StatusError for a non-zero status."""
        status, body = self.exchange(request, name, note)
        if status:
            raise StatusError(request.cmd, status)
        return decode_response(request.cmd, body, request.body)

    def is_closed(self, wait=PATIENCE):
        """True when the peer has closed (used after error responses)."""
        self.sock.settimeout(wait)
        try:
            return self.sock.recv(1) == b""
        except socket.timeout:
            return False
        except ConnectionError:
            return True
        finally:
            self.sock.settimeout(PATIENCE)


class Recorder:
    """Appends exchanges to a JSON lines file, one line per name."""

    def __init__(self, path):
        self.file = open(path, "w")
        self.seen = {}

    def __call__(self, name, role, request, response, note):
        if not name:
            return
        self.seen[name] = self.seen.get(name, 0) + 1
        if self.seen[name] > 1:
            name = "%s#%d" % (name, self.seen[name])
        direction, _, roles = role.partition("|")
        self.file.write(json.dumps({
            "name": name, "direction": direction, "peer roles": roles,
            "request_hex": request.hex(), "response_hex": response.hex(),
            "note": note}) + "\n")
        self.file.flush()


# --------------------------------------------------------------------------
# Client
# --------------------------------------------------------------------------


class Client:
    """The calls of an ordinary client, one connection per call."""

    def __init__(self, tracker, source_ip=None, timeout=PATIENCE):
        self.tracker = split_host(tracker, 22122)
        self.source_ip = source_ip
        self.timeout = timeout

    def connect(self, address):
        return Connection(address[0], address[1], self.timeout,
                          self.source_ip)

    def ask_tracker(self, request):
        with self.connect(self.tracker) as conn:
            return conn.call(request)

    def _ask_server(self, cmd, file_id, build):
        group, _, filename = file_id.partition("/")
        server = self.ask_tracker(req_query_file(cmd, group, filename))
        with self.connect(server["servers"][0]) as conn:
            return conn.call(build(group, filename))

    def upload(self, content, ext="", group=None, appender=False):
        where = self.ask_tracker(req_query_store(group))
        with self.connect(where["servers"][0]) as conn:
            out = conn.call(req_upload(content, ext, where["path"], appender))
        return out["group"] + "/" + out["filename"]

    def upload_slave(self, master_id, prefix, content, ext=""):
        out = self._ask_server(
            Cmd.UPDATE_ONE, master_id,
            lambda g, f: req_upload_slave(f, prefix, content, ext))
        return out["group"] + "/" + out["filename"]

    def download(self, file_id, offset=0, count=0):
        return self._ask_server(
            Cmd.FETCH_ONE, file_id,
            lambda g, f: req_download(g, f, offset, count))

    def info(self, file_id, flags=0):
        return self._ask_server(Cmd.FETCH_ONE, file_id,
                                lambda g, f: req_file_info(g, f, flags))

    def delete(self, file_id):
        return self._ask_server(Cmd.UPDATE_ONE, file_id, req_delete)

    def append(self, file_id, content):
        return self._ask_server(Cmd.UPDATE_ONE, file_id,
                                lambda g, f: req_append(f, content))

    def modify(self, file_id, offset, content):
        return self._ask_server(Cmd.UPDATE_ONE, file_id,
                                lambda g, f: req_modify(f, offset, content))

    def truncate(self, file_id, size):
        return self._ask_server(Cmd.UPDATE_ONE, file_id,
                                lambda g, f: req_truncate(f, size))

    def set_metadata(self, file_id, pairs, flag="O"):
        return self._ask_server(
            Cmd.UPDATE_ONE, file_id,
            lambda g, f: req_set_metadata(g, f, pack_metadata(pairs), flag))

    def get_metadata(self, file_id):
        return self._ask_server(Cmd.UPDATE_ONE, file_id, req_get_metadata)

    def regenerate(self, file_id):
        out = self._ask_server(Cmd.UPDATE_ONE, file_id,
                               lambda g, f: req_regenerate_name(f))
        return out["group"] + "/" + out["filename"]


# --------------------------------------------------------------------------
# Probe: black-box test of a live tracker and its storages
# --------------------------------------------------------------------------


class Peer:
    """A connection that is opened again when the server closed it."""

    def __init__(self, probe, address, role):
        self.probe, self.address, self.role = probe, address, role
        self.conn = None

    def get(self):
        if self.conn is None:
            self.conn = Connection(
                self.address[0], self.address[1], self.probe.timeout,
                self.probe.source_ip, self.role, self.probe.recorder)
        return self.conn

    def drop(self):
        if self.conn:
            self.conn.close()
        self.conn = None


def crc32(data):
    return zlib.crc32(data) & 0xFFFFFFFF


class Probe:
    """Every ``check`` prints one line: PASS, FAIL or QUIRK.

    QUIRK marks behaviour where the specification lets a new server differ
    from the reference; both forms pass and the line says which one was seen.
    """

    def __init__(self, tracker, group=None, source_ip=None, recorder=None,
                 server_commands=False, intrusive=False, verbose=False,
                 timeout=PATIENCE):
        self.source_ip, self.recorder = source_ip, recorder
        self.timeout, self.verbose = timeout, verbose
        self.server_commands, self.intrusive = server_commands, intrusive
        self.tracker_address = split_host(tracker, 22122)
        self.tracker = Peer(self, self.tracker_address,
                            "C->T|client to tracker")
        self.group = group
        self.storage = None
        self.passed = self.failed = self.quirks = 0

    # reporting ------------------------------------------------------------

    def report(self, ok, label, detail=""):
        if ok:
            self.passed += 1
        else:
            self.failed += 1
        print("%s  %s%s" % ("PASS" if ok else "FAIL", label,
                            "  [%s]" % detail if detail and
                            (self.verbose or not ok) else ""), flush=True)
        return ok

    def quirk(self, label, seen):
        self.quirks += 1
        print("QUIRK %s: %s" % (label, seen), flush=True)

    def section(self, title):
        print("-- " + title, flush=True)

    # one exchange ---------------------------------------------------------

    def check(self, label, peer, request, want=None, status=Errno.OK,
              record=None, note=""):
        """``want``: predicate on the decoded value; ``status``: one or a
        tuple of accepted statuses.  Returns the decoded value or None."""
        statuses = status if isinstance(status, tuple) else (status,)
        record = record or "%s.%s" % (
            "storage" if peer is not self.tracker else "tracker",
            cmd_name(request.cmd).lower())
        if statuses[0] and record:
            record += "." + status_name(statuses[0]).lower()
        try:
            got, body = peer.get().exchange(request, record, note or label)
            value = None
            if not got:
                value = decode_response(request.cmd, body, request.body)
        except (ProtocolError, OSError, ValueError, struct.error) as exc:
            self.report(False, label, "%s: %s" % (type(exc).__name__, exc))
            peer.drop()
            return None
        if got not in statuses:
            self.report(False, label, "status %s, wanted %s" % (
                status_name(got), "/".join(map(status_name, statuses))))
            if got:
                peer.drop()
            return None
        detail = status_name(got) if got else repr(value)[:200]
        try:
            good = want is None or got != 0 or bool(want(value))
        except (KeyError, ValueError, IndexError, TypeError) as exc:
            good, detail = False, "%s on %s" % (exc, detail)
        self.report(good, label, detail)
        if got == Errno.EINVAL and peer is not self.tracker \
                and peer.role.startswith(("C->S", "S->S")):
            closed = peer.get().is_closed()
            if not closed:
                self.report(False, label + " (storage closes after EINVAL)")
            peer.drop()
        return value

    def closes(self, label, address, data, record=None, role=""):
        """The server must close without an answer."""
        with Connection(address[0], address[1], self.timeout,
                        self.source_ip) as conn:
            conn.send_raw(data)
            try:
                conn.read_response()
                ok = False
            except Closed:
                ok = True
            except (ProtocolError, OSError):
                ok = False
        if self.recorder and record and ok:
            self.recorder(record, role, data, b"",
                          label + "; peer closes without response")
        return self.report(ok, label)

    def pipelined(self, address):
        """Number of answers to three requests sent in one piece."""
        answers = 0
        with Connection(address[0], address[1], self.timeout,
                        self.source_ip) as conn:
            conn.send_raw(empty(Cmd.ACTIVE_TEST).pack() * 3)
            try:
                for _ in range(3):
                    conn.read_response()
                    answers += 1
            except (ProtocolError, OSError):
                pass
        return answers

    # ----------------------------------------------------------------------

    def run(self):
        self.tracker_framing()
        self.tracker_lists()
        self.tracker_store_queries()
        self.tracker_information()
        if self.storage is None:
            self.report(False, "a storage is available for the file tests")
        else:
            self.storage_framing()
            self.files()
            self.empty_file()
            self.metadata()
            self.slaves()
            self.appender()
            self.links()
            self.bad_names()
            if self.server_commands:
                self.binlog()
                self.replicated_operations()
                self.trunk()
                if self.intrusive:
                    self.replicated_link()
        self.tracker_login_required()
        if self.intrusive:
            self.system_files()
            self.fake_storage()
        print("== %d passed, %d failed, %d quirks noted"
              % (self.passed, self.failed, self.quirks))
        return self.failed == 0

    # tracker --------------------------------------------------------------

    def tracker_framing(self):
        self.section("framing, tracker (2)")
        t = self.tracker
        role = "C->T|client to tracker"
        self.check("111 active test", t, empty(Cmd.ACTIVE_TEST))
        self.check("111 with a body -> EINVAL", t,
                   Request(Cmd.ACTIVE_TEST, b"x"), status=Errno.EINVAL)
        self.check("unknown command -> EINVAL", t, Request(200),
                   status=Errno.EINVAL)
        self.check("connection still usable after errors", t,
                   empty(Cmd.ACTIVE_TEST), record="tracker.after_error")
        self.report(self.pipelined(self.tracker_address) == 3,
                    "three pipelined requests are answered")
        self.closes("82 quit closes", self.tracker_address,
                    Request(Cmd.QUIT).pack(), "tracker.quit", role)
        self.closes("negative body length closes", self.tracker_address,
                    struct.pack(">qBB", -1, Cmd.LIST_GROUPS, 0),
                    "tracker.negative_length", role)
        self.closes("body length of 1 GiB closes", self.tracker_address,
                    struct.pack(">qBB", 1 << 30, Cmd.LIST_GROUPS, 0),
                    "tracker.huge_length", role)

    def tracker_lists(self):
        self.section("lists (5.4-5.6)")
        t = self.tracker
        groups = self.check(
            "91 list groups, sorted", t, req_list_groups(),
            lambda v: [g["group"] for g in v] ==
            sorted(g["group"] for g in v)) or []
        self.groups = {g["group"]: g for g in groups}
        if self.group is None:
            usable = [g for g in groups if g["writable"] > 0]
            self.group = usable[0]["group"] if usable else "group1"
        known = self.group in self.groups
        self.report(known, "group %s is known" % self.group)
        self.check("91 with a body -> EINVAL", t,
                   Request(Cmd.LIST_GROUPS, b"x"), status=Errno.EINVAL)
        self.check("90 one group", t, req_list_group(self.group),
                   lambda v: v["group"] == self.group)
        self.check("90 unknown group -> ENOENT", t,
                   req_list_group("nosuchgroup"), status=Errno.ENOENT)
        self.check("90 short group field -> EINVAL", t,
                   Request(Cmd.LIST_GROUP, b"group1"), status=Errno.EINVAL)
        servers = self.check(
            "92 storages of the group, sorted by id", t,
            req_list_storages(self.group),
            lambda v: v and [s["id"] for s in v] ==
            sorted(s["id"] for s in v)) or []
        self.servers = servers
        if servers:
            first = servers[0]["id"]
            self.check("92 one storage", t,
                       req_list_storages(self.group, first),
                       lambda v: len(v) == 1 and v[0]["id"] == first,
                       record="tracker.list_storages.one")
        self.check("92 unknown group -> ENOENT", t,
                   req_list_storages("nosuchgroup"), status=Errno.ENOENT)
        self.check("92 unknown storage -> ENOENT", t,
                   req_list_storages(self.group, "10.254.254.1"),
                   status=Errno.ENOENT)
        self.check("92 id of 16 bytes -> EINVAL", t,
                   req_list_storages(self.group, "1" * 16),
                   status=Errno.EINVAL)
        self.check("93 unknown storage -> ENOENT", t,
                   req_delete_storage(self.group, "10.254.254.1"),
                   status=Errno.ENOENT)
        self.check("93 without id -> EINVAL", t,
                   req_delete_storage(self.group, ""), status=Errno.EINVAL)
        active = [s for s in servers if s["state"] == State.ACTIVE]
        if active:
            self.check("93 active storage -> EBUSY", t,
                       req_delete_storage(self.group, active[0]["id"]),
                       status=Errno.EBUSY)
            self.check("108 group in use -> EBUSY", t,
                       req_delete_group(self.group), status=Errno.EBUSY)
        self.check("108 unknown group -> ENOENT", t,
                   req_delete_group("nosuchgroup"), status=Errno.ENOENT)
        self.check("108 bad length -> EINVAL", t,
                   Request(Cmd.DELETE_GROUP, b"group1"), status=Errno.EINVAL)

    def tracker_store_queries(self):
        self.section("where to store (5.1, 5.2)")
        t, group = self.tracker, self.group
        self.check("101 store one, any group", t, req_query_store(),
                   lambda v: v["group"] in self.groups)
        where = self.check(
            "104 store one, given group", t, req_query_store(group),
            lambda v: v["group"] == group)
        self.check("106 store all, any group", t,
                   req_query_store(None, True),
                   lambda v: v["group"] in self.groups)
        self.check("107 store all, given group", t,
                   req_query_store(group, True),
                   lambda v: v["group"] == group and
                   len(v["servers"]) == self.groups[group]["writable"])
        for cmd in (Cmd.STORE_ONE, Cmd.STORE_ALL):
            self.check("%d with a body -> EINVAL" % cmd, t,
                       Request(cmd, group_field(group)), status=Errno.EINVAL)
        for cmd in (Cmd.STORE_ONE_GROUP, Cmd.STORE_ALL_GROUP):
            self.check("%d unknown group -> ENOENT" % cmd, t,
                       Request(cmd, group_field("nosuchgroup")),
                       status=Errno.ENOENT)
            self.check("%d short group field -> EINVAL" % cmd, t,
                       Request(cmd, b"group1"), status=Errno.EINVAL)
        if where:
            self.store_path = where["path"]
            self.storage = Peer(self, where["servers"][0],
                                "C->S|client to storage")

    def tracker_information(self):
        self.section("parameters, identities, statistics (5.10-5.13, 6.10)")
        t = self.tracker
        leader = self.check("95 leader", t, req_get_leader(),
                            lambda v: split_host(v)[1] > 0,
                            status=(Errno.OK, Errno.ENOENT))
        params = self.check("75 parameters", t, req_parameters(),
                            lambda v: v["use_storage_id"] in ("0", "1") and
                            v["response_ip_addr_size"] in ("16", "46") and
                            len(v) == 26) or {}
        self.params = params
        self.use_id = params.get("use_storage_id") == "1"
        self.use_trunk = params.get("use_trunk_file") == "1"
        if self.use_id:
            ids = self.check("69 storage ids", t, req_storage_ids(0, False),
                             lambda v: v["total"] >= len(v["lines"]) > 0)
            total = ids["total"] if ids else 0
            self.check("69 start = total -> EINVAL", t,
                       req_storage_ids(total), status=Errno.EINVAL)
        else:
            self.check("69 storage ids off, allow empty", t,
                       req_storage_ids(0, True),
                       lambda v: v["total"] == 0 and v["lines"] == [])
            self.check("69 storage ids off -> EOPNOTSUPP", t,
                       req_storage_ids(0, False), status=Errno.EOPNOTSUPP)
        self.check("64 tracker status", t, req_tracker_status(),
                   lambda v: v["leader"] in (0, 1) and
                   v["running"] % 300 == 0 and v["restart"] % 300 == 0)
        if self.servers:
            one = self.servers[0]
            host = join_host(one["ip"], one["port"])
            self.check("70 server id", t, req_server_id(self.group, host),
                       lambda v: v == one["id"])
            self.check("71 server status", t,
                       req_server_status(self.group, host),
                       lambda v: v["id"] == one["id"] and
                       v["ip"] == one["ip"] and v["port"] == one["port"])
        self.check("71 unknown server -> ENOENT", t,
                   req_server_status(self.group, "10.254.254.1:23000"),
                   status=Errno.ENOENT)
        self.check("71 unknown group -> ENOENT", t,
                   req_server_status("nosuchgroup", "10.254.254.1:23000"),
                   status=Errno.ENOENT)
        if self.use_id:
            one = self.servers[0]
            self.check("109 group of a server", t,
                       req_group_of_server(one["port"], one["ip"]),
                       lambda v: v == self.group)
            self.check("109 unknown server -> ENOENT", t,
                       req_group_of_server(1, "10.254.254.1"),
                       status=Errno.ENOENT)
            self.check("60 own address, not configured", t,
                       req_my_address(self.group, 1),
                       lambda v: v == t.get().sock.getsockname()[0])
        else:
            self.check("109 without ids -> EOPNOTSUPP", t,
                       req_group_of_server(23000), status=Errno.EOPNOTSUPP)
            mine = t.get().sock.getsockname()[0]
            self.check("60 own address", t,
                       req_my_address(self.group, 23000),
                       lambda v: v == mine)
        self.check("60 bad length -> EINVAL", t,
                   Request(Cmd.MY_ADDRESS, b"x" * 20), status=Errno.EINVAL)
        here = join_host(*self.tracker_address)
        self.is_leader = leader == here
        if self.is_leader:
            self.check("96 tracker statistics", t, req_stat_trackers(),
                       lambda v: here in [x["host"] for x in v])
            self.check("96 leaders only", t, req_stat_trackers(2, 0, 1),
                       lambda v: [x["host"] for x in v] == [here],
                       record="tracker.stat_trackers.leader")
            self.check("94 trunk server", t, req_set_trunk_server(self.group),
                       lambda v: v in [s["id"] for s in self.servers],
                       status=Errno.OK if self.use_trunk
                       else Errno.EOPNOTSUPP)
        else:
            self.check("96 on a follower -> EOPNOTSUPP", t,
                       req_stat_trackers(), status=Errno.EOPNOTSUPP)
        self.check("96 bad length -> EINVAL", t,
                   Request(Cmd.STAT_TRACKERS),
                   status=(Errno.EINVAL, Errno.EOPNOTSUPP))
        total = sum(g["storage_count"] for g in self.groups.values())
        self.check("97 storage statistics", t, req_stat_storages(),
                   lambda v: len(v["storages"]) == total and
                   v["use_storage_id"] == self.use_id)
        self.check("97 status = ACTIVE", t,
                   req_stat_storages(2, "=", State.ACTIVE),
                   lambda v: all(s["state"] == State.ACTIVE
                                 for s in v["storages"]),
                   record="tracker.stat_storages.active")
        self.check("97 status ! ACTIVE", t,
                   req_stat_storages(2, "!", State.ACTIVE),
                   lambda v: all(s["state"] != State.ACTIVE
                                 for s in v["storages"]),
                   record="tracker.stat_storages.not_active")
        self.check("98 volume statistics", t, req_stat_volumes(),
                   lambda v: [x["group"] for x in v["volumes"]] ==
                   sorted(self.groups))
        self.check("98 with free disk", t, req_stat_volumes(1, 1),
                   lambda v: all(x["disk_available"] for x in v["volumes"]),
                   record="tracker.stat_volumes.disk")
        for cmd in (Cmd.STAT_STORAGES, Cmd.STAT_VOLUMES):
            self.check("%d bad length -> EINVAL" % cmd, t,
                       Request(cmd, b"\0"), status=Errno.EINVAL)
        self.check("68 reselect leader, bad length -> EINVAL", t,
                   Request(Cmd.RESELECT_LEADER, b"x"), status=Errno.EINVAL)

    def tracker_login_required(self):
        self.section("commands that need a join (6)")
        t = self.tracker
        for request in (req_change_status(State.ACTIVE),
                        req_trunk_id_fetch(), req_trunk_id_report(1),
                        req_trunk_free_report(1), req_beat(),
                        req_disk_report([(1, 1)]),
                        req_need_sync_source(),
                        req_sync_timestamps([("10.0.0.1", 1)]),
                        req_peer_list([(State.ACTIVE, 23000, "10.0.0.1",
                                        "10.0.0.1")])):
            self.check("%d without join -> EACCES" % request.cmd, t, request,
                       status=Errno.EACCES)
        self.check("81 short join -> EINVAL", t,
                   Request(Cmd.JOIN, b"\0" * 144), status=Errno.EINVAL)
        self.check("86 unknown group -> ENOENT", t,
                   req_peer_sync_source("nosuchgroup", "10.254.254.1"),
                   status=Errno.ENOENT)
        self.check("86 unknown storage -> ENOENT", t,
                   req_peer_sync_source(self.group, "10.254.254.1"),
                   status=Errno.ENOENT)
        if self.servers:
            self.check("86 sync source of a member", t,
                       req_peer_sync_source(self.group,
                                            self.servers[0]["id"]),
                       lambda v: v is None or v["until"] > 0)
            self.check("77 change log of a member", t,
                       req_change_log(self.group, self.servers[0]["id"]))
        self.check("76 unknown group -> ENOENT", t,
                   req_report_status("nosuchgroup", (
                       State.NONE, 23000, "10.254.254.1", "10.254.254.1")),
                   status=Errno.ENOENT)
        self.check("76 status NONE is ignored", t,
                   req_report_status(self.group, (
                       State.NONE, 23000, "10.254.254.1", "10.254.254.1")))
        self.check("65 ping without join -> error", t,
                   req_ping_leader(1, 1, 1),
                   status=(Errno.EINVAL, Errno.EOPNOTSUPP))
        self.check("58 join leader, unknown peer -> error", t,
                   req_join_leader(0, "6.16.1", 1),
                   status=(Errno.ENOENT, Errno.EOPNOTSUPP))
        self.check("66 unknown leader -> ENOENT", t,
                   req_notify_leader("10.254.254.1:1"), status=Errno.ENOENT)

    # storage --------------------------------------------------------------

    def storage_framing(self):
        self.section("framing, storage (2)")
        s = self.storage
        role = "C->S|client to storage"
        self.check("111 active test", s, empty(Cmd.ACTIVE_TEST))
        self.check("111 with a body -> EINVAL, then close", s,
                   Request(Cmd.ACTIVE_TEST, b"x"), status=Errno.EINVAL)
        self.check("unknown command -> EINVAL, then close", s, Request(200),
                   status=Errno.EINVAL)
        self.quirk("three pipelined requests", "%d answered at once"
                   % self.pipelined(s.address))
        self.closes("82 quit closes", s.address, Request(Cmd.QUIT).pack(),
                    "storage.quit", role)
        self.closes("negative body length closes", s.address,
                    struct.pack(">qBB", -1, Cmd.DELETE, 0),
                    "storage.negative_length", role)

    def check_id(self, label, value, content, ext, kind):
        """Facts that must be inside a fresh file id."""
        if value is None:
            return None
        file_id = FileId.parse(value["group"] + "/" + value["filename"])
        facts = [
            ("round trip", str(file_id), value["group"] + "/"
             + value["filename"]),
            ("group", file_id.group, self.group),
            ("kind", file_id.kind, kind),
            ("crc", file_id.crc32, crc32(content)),
            ("ext", file_id.tail.partition(".")[2], ext),
            ("tail length", len(file_id.tail), 7),
        ]
        if kind != "appender":
            facts.append(("size", file_id.size, len(content)))
        else:
            facts.append(("size bits", file_id.masked_size & 0xFFFFFFFF, 0))
        if abs(file_id.timestamp - time.time()) > 30:
            facts.append(("timestamp", file_id.timestamp, "about now"))
        digits = file_id.tail.partition(".")[0]
        if digits and not digits.isdigit():
            facts.append(("digits", digits, "decimal"))
        if self.params.get("id_type_in_filename") != "id":
            facts.append(("source", file_id.source_ip,
                          self.storage.address[0]))
        elif file_id.source_id is None:
            facts.append(("source", file_id.source_ip, "a server id"))
        bad = ["%s: %r, wanted %r" % f for f in facts if f[1] != f[2]]
        self.report(not bad, label, "; ".join(bad))
        return file_id

    def upload(self, label, content, ext="", path=None, appender=False,
               record=None, kind=None):
        path = self.store_path if path is None else path
        value = self.check(label, self.storage,
                           req_upload(content, ext, path, appender),
                           lambda v: v["group"] == self.group, record=record)
        if kind is None:
            kind = "appender" if appender else "normal"
            if self.use_trunk and not appender and len(content) + 24 <= \
                    int(self.params.get("slot_max_size", 0)):
                kind = "trunk"
        return self.check_id(label + ": facts in the id", value, content,
                             ext, kind)

    def gives(self, address, group, name):
        """The file's content at a storage."""
        with Connection(*address, timeout=self.timeout,
                        source_ip=self.source_ip) as conn:
            return conn.call(req_download(group, name))

    def files(self):
        self.section("upload, query, download, delete (5.3, 8.1-8.9)")
        s, t, group = self.storage, self.tracker, self.group
        content = b"Hello, world!"
        fid = self.upload("11 upload", content, "txt")
        self.upload("11 upload, path 255, no extension", content, "", 255,
                    record="storage.upload.no_ext")
        if fid is None:
            return
        name = fid.filename
        here = s.address
        for cmd in (Cmd.FETCH_ONE, Cmd.UPDATE_ONE, Cmd.FETCH_ALL):
            # 102 may name a replica as soon as that has it.
            self.check("%d servers of the fresh file" % cmd, t,
                       req_query_file(cmd, group, name),
                       lambda v, cmd=cmd: here in v["servers"] or
                       cmd == Cmd.FETCH_ONE and
                       self.gives(v["servers"][0], group, name) == content)
            self.check("%d unknown group -> ENOENT" % cmd, t,
                       req_query_file(cmd, "nosuchgroup", name),
                       status=Errno.ENOENT)
            self.check("%d body of 37 bytes -> EINVAL" % cmd, t,
                       Request(cmd, group_field(group) + b"x" * 21),
                       status=Errno.EINVAL)
            self.check("%d body of 144 bytes -> EINVAL" % cmd, t,
                       Request(cmd, group_field(group) + b"M00/00/00/"
                               + b"x" * 118), status=Errno.EINVAL)
        self.check("22 file info", s, req_file_info(group, name),
                   lambda v: v["size"] == 13 and v["crc32"] == fid.crc32
                   and v["source"] == here[0] and v["created"] > 0)
        self.check("22 file info, flags 3", s, req_file_info(group, name, 3),
                   lambda v: v["size"] == 13,
                   record="storage.file_info.flags3")
        self.check("22 wrong group -> EINVAL", s,
                   req_file_info("nosuchgroup", name), status=Errno.EINVAL)
        self.check("14 whole file", s, req_download(group, name),
                   lambda v: v == content)
        self.check("14 range", s, req_download(group, name, 7, 5),
                   lambda v: v == b"world", record="storage.download.range")
        self.check("14 range beyond the end is clamped", s,
                   req_download(group, name, 7, 500),
                   lambda v: v == b"world!", record="storage.download.clamp")
        self.check("14 offset = size -> EINVAL", s,
                   req_download(group, name, 13), status=Errno.EINVAL)
        self.check("14 negative offset -> EINVAL", s,
                   req_download(group, name, -1), status=Errno.EINVAL)
        self.check("14 wrong group -> EINVAL", s,
                   req_download("nosuchgroup", name), status=Errno.EINVAL)
        gone = FileId.parse(str(fid))
        gone.crc32 ^= 1
        if fid.is_trunk:
            gone.trunk = (fid.trunk[0], fid.trunk[1], fid.trunk[2])
        missing = gone.filename
        self.check("14 unknown file -> ENOENT", s,
                   req_download(group, missing), status=Errno.ENOENT)
        self.check("22 unknown file -> ENOENT", s,
                   req_file_info(group, missing, INFO_SILENT),
                   status=Errno.ENOENT)
        self.check("12 unknown file -> ENOENT", s,
                   req_delete(group, missing), status=Errno.ENOENT)
        self.check("11 body shorter than announced -> EINVAL", s,
                   Request(Cmd.UPLOAD, i8(self.store_path) + i64(5)
                           + padded("txt", EXT_LEN) + b"abc"),
                   status=Errno.EINVAL)
        self.check("11 header only -> EINVAL", s, Request(Cmd.UPLOAD),
                   status=Errno.EINVAL)
        self.check("11 path index out of range -> EINVAL", s,
                   req_upload(b"x", "txt", 99), status=Errno.EINVAL,
                   record="storage.upload.bad_path")
        self.check("11 extension with a slash -> EINVAL", s,
                   req_upload(b"x", "a/b", self.store_path),
                   status=Errno.EINVAL, record="storage.upload.bad_ext")
        self.check("12 delete", s, req_delete(group, name))
        self.check("12 again -> ENOENT", s, req_delete(group, name),
                   status=Errno.ENOENT, record="storage.delete.again")
        self.check("14 deleted file -> ENOENT", s, req_download(group, name),
                   status=Errno.ENOENT, record="storage.download.deleted")
        big = bytes(range(256)) * 2048
        value = None
        try:
            with Connection(*s.address, timeout=self.timeout,
                            source_ip=self.source_ip) as conn:
                value = conn.call(req_upload(big, "bin", self.store_path))
                same = conn.call(req_download(group,
                                              value["filename"])) == big
                conn.call(req_delete(group, value["filename"]))
        except (ProtocolError, StatusError, OSError) as exc:
            same, value = False, exc
        self.report(same, "11/14/12 of 512 KiB", repr(value))

    def empty_file(self):
        self.section("empty file (8.1, 8.7)")
        s = self.storage
        fid = self.upload("11 upload of 0 bytes", b"", "txt",
                          record="storage.upload.empty",)
        if fid is None:
            return
        self.check("22 empty file", s,
                   req_file_info(self.group, fid.filename),
                   lambda v: v["size"] == 0,
                   record="storage.file_info.empty")
        status, body = s.get().exchange(
            req_download(self.group, fid.filename), "storage.download.empty",
            "reference: EINVAL; a new server may answer 0 bytes")
        self.quirk("14 empty file", status_name(status))
        self.report((status, body) in ((0, b""), (Errno.EINVAL, b"")),
                    "14 empty file: EINVAL or empty")
        if status:
            s.drop()
        self.check("12 delete empty file", s,
                   req_delete(self.group, fid.filename),
                   record="storage.delete.empty")

    def metadata(self):
        self.section("metadata (8.5, 8.6)")
        s, group = self.storage, self.group
        fid = self.upload("11 upload for metadata", b"meta", "txt",
                          record="storage.upload.meta")
        if fid is None:
            return
        name = fid.filename
        get = req_get_metadata(group, name)
        self.check("15 none yet -> ENOENT", s, get, status=Errno.ENOENT)
        self.check("13 overwrite", s, req_set_metadata(
            group, name, pack_metadata([("b", "2"), ("a", "1")]), "O"),
            record="storage.set_metadata.overwrite")
        self.check("15 sorted by name", s, get,
                   lambda v: v == [("a", "1"), ("b", "2")])
        self.check("13 merge", s, req_set_metadata(
            group, name, pack_metadata([("b", "3"), ("c", "4")]), "M"),
            record="storage.set_metadata.merge")
        self.check("15 merged", s, get,
                   lambda v: v == [("a", "1"), ("b", "3"), ("c", "4")],
                   record="storage.get_metadata.merged")
        self.check("13 merge of nothing", s,
                   req_set_metadata(group, name, b"", "M"),
                   record="storage.set_metadata.merge_empty")
        self.check("15 unchanged", s, get, lambda v: len(v) == 3,
                   record="storage.get_metadata.unchanged")
        self.check("13 overwrite with nothing", s,
                   req_set_metadata(group, name, b"", "O"),
                   record="storage.set_metadata.clear")
        self.check("15 cleared -> ENOENT", s, get, status=Errno.ENOENT,
                   record="storage.get_metadata.cleared")
        self.check("13 bad flag -> EINVAL", s,
                   req_set_metadata(group, name, b"a\x02b", "X"),
                   status=Errno.EINVAL)
        self.check("13 lengths do not add up -> EINVAL", s,
                   Request(Cmd.SET_METADATA, i64(len(name)) + i64(9) + b"O"
                           + group_field(group) + name.encode() + b"a"),
                   status=Errno.EINVAL)
        self.check("12 delete with metadata", s, req_delete(group, name),
                   record="storage.delete.meta")
        self.check("13 deleted file -> ENOENT", s,
                   req_set_metadata(group, name, b"a\x02b"),
                   status=Errno.ENOENT)

    def slaves(self):
        self.section("slave files (8.2)")
        s, group = self.storage, self.group
        fid = self.upload("11 upload of a master", b"master", "jpg",
                          record="storage.upload.master")
        if fid is None:
            return
        name = fid.filename
        request = req_upload_slave(name, "_150x150", b"slave!", "png")
        wanted = fid.slave_name("_150x150", "png")
        self.check("21 upload slave", s, request,
                   lambda v: v["filename"] == wanted)
        self.check("21 again -> EEXIST", s, request, status=Errno.EEXIST)
        s.drop()
        self.check("14 slave content", s, req_download(group, wanted),
                   lambda v: v == b"slave!", record="storage.download.slave")
        self.check("22 slave info", s, req_file_info(group, wanted),
                   lambda v: v["size"] == 6 and v["crc32"] ==
                   crc32(b"slave!"), record="storage.file_info.slave")
        self.check("22 slave info without CRC", s,
                   req_file_info(group, wanted, INFO_NO_CRC),
                   lambda v: v["size"] == 6 and v["crc32"] == 0,
                   record="storage.file_info.slave_no_crc")
        self.check("102 server of the slave", self.tracker,
                   req_query_file(Cmd.FETCH_ONE, group, wanted),
                   lambda v: v["servers"] == [s.address],
                   record="tracker.fetch_one.slave")
        self.check("21 empty prefix -> EINVAL", s,
                   req_upload_slave(name, "", b"x", "png"),
                   status=Errno.EINVAL)
        self.check("12 delete slave", s, req_delete(group, wanted),
                   record="storage.delete.slave")
        self.check("12 delete master", s, req_delete(group, name),
                   record="storage.delete.master")
        self.check("21 master missing -> ENOENT", s, request,
                   status=Errno.ENOENT)
        s.drop()

    def zero_length_reply(self, label, request, record):
        """[Q] of 8.3: status 0, body empty (new) or of the request's size."""
        with Connection(*self.storage.address, timeout=self.timeout,
                        source_ip=self.source_ip) as conn:
            conn.send(request)
            try:
                head, status, body = conn.read_response()
            except (ProtocolError, OSError) as exc:
                return self.report(False, label, str(exc))
        if self.recorder:
            self.recorder(record, self.storage.role, request.pack(),
                          head + body, label + "; defect of the reference, "
                          "a new server answers with an empty body")
        self.quirk(label, "empty body" if not body else
                   "body of %d bytes" % len(body))
        return self.report(status == 0 and len(body) in (
            0, len(request.body)), label + ": status 0")

    def appender(self):
        self.section("appender files (8.3, 8.10)")
        s, group = self.storage, self.group
        fid = self.upload("23 upload appender", b"12345", "log",
                          appender=True)
        if fid is None:
            return
        name = fid.filename
        data = req_download(group, name)
        self.check("24 append", s, req_append(name, b"678"))
        self.check("14 after append", s, data, lambda v: v == b"12345678",
                   record="storage.download.appended")
        self.check("34 modify", s, req_modify(name, 1, b"abc"))
        self.check("34 modify past the end extends", s,
                   req_modify(name, 7, b"XYZ"),
                   record="storage.modify.extend")
        self.check("14 after modify", s, data, lambda v: v == b"1abc567XYZ",
                   record="storage.download.modified")
        self.check("34 offset beyond the size -> EINVAL", s,
                   req_modify(name, 11, b"z"), status=Errno.EINVAL)
        self.check("36 truncate", s, req_truncate(name, 4))
        self.check("14 after truncate", s, data, lambda v: v == b"1abc",
                   record="storage.download.truncated")
        self.check("36 truncate may extend", s, req_truncate(name, 6),
                   record="storage.truncate.extend")
        self.check("14 extended with zeros", s, data,
                   lambda v: v == b"1abc\0\0",
                   record="storage.download.extended")
        self.check("22 appender info, CRC of the content", s,
                   req_file_info(group, name),
                   lambda v: v["size"] == 6 and
                   v["crc32"] == crc32(b"1abc\0\0"),
                   record="storage.file_info.appender")
        self.zero_length_reply("24 append of nothing", req_append(name, b""),
                               "storage.append.empty")
        self.zero_length_reply("34 modify of nothing",
                               req_modify(name, 0, b""),
                               "storage.modify.empty")
        self.zero_length_reply("36 truncate to the same size",
                               req_truncate(name, 6),
                               "storage.truncate.same")
        self.check("36 negative size -> EINVAL", s, req_truncate(name, -1),
                   status=Errno.EINVAL)
        plain = self.upload("11 upload of a plain file", b"plain", "txt",
                            record="storage.upload.plain")
        if plain:
            for request in (req_append(plain.filename, b"x"),
                            req_modify(plain.filename, 0, b"x"),
                            req_truncate(plain.filename, 0),
                            req_regenerate_name(plain.filename)):
                self.check("%d on a plain file -> EINVAL" % request.cmd, s,
                           request, status=Errno.ENOENT
                           if plain.is_trunk else Errno.EINVAL)
            self.check("12 delete plain file", s,
                       req_delete(group, plain.filename),
                       record="storage.delete.plain")
        value = self.check("38 regenerate name", s, req_regenerate_name(name),
                           lambda v: v["group"] == group)
        if value:
            new = self.check_id("38: facts in the new id", value,
                                b"1abc\0\0", "log", "normal")
            self.report(new is not None and new.tail == fid.tail and
                        (new.high, new.low) == (fid.high, fid.low),
                        "38 keeps directories and last seven characters")
            self.check("14 under the new name", s,
                       req_download(group, value["filename"]),
                       lambda v: v == b"1abc\0\0",
                       record="storage.download.regenerated")
            self.check("38 old name -> ENOENT", s, req_regenerate_name(name),
                       status=Errno.ENOENT)
            self.check("12 delete regenerated", s,
                       req_delete(group, value["filename"]),
                       record="storage.delete.regenerated")
        for request in (req_append(name, b"x"), req_modify(name, 0, b"x"),
                        req_truncate(name, 0)):
            self.check("%d missing appender -> ENOENT" % request.cmd, s,
                       request, status=Errno.ENOENT)
            s.drop()
        empty_one = self.upload("23 empty appender", b"", "log",
                                appender=True,
                                record="storage.upload_appender.empty")
        if empty_one:
            self.check("24 append to it", s,
                       req_append(empty_one.filename, b"x"),
                       record="storage.append.to_empty")
            self.check("12 delete appender", s,
                       req_delete(group, empty_one.filename),
                       record="storage.delete.appender")

    def links(self):
        self.section("create link (8.8)")
        s, group = self.storage, self.group
        fid = self.upload("11 upload of a link target", b"target", "txt",
                          record="storage.upload.link_target")
        if fid is None:
            return
        value = self.check("20 create link", s, req_create_link(
            group, fid.filename, "txt", signature=b"0" * 24),
            lambda v: v["group"] == group)
        if value:
            link = value["filename"]
            self.check("14 through the link", s, req_download(group, link),
                       lambda v: v == b"target",
                       record="storage.download.link")
            self.check("22 of the link", s, req_file_info(group, link),
                       lambda v: v["size"] == 6,
                       record="storage.file_info.link")
            self.check("12 delete link", s, req_delete(group, link),
                       record="storage.delete.link")
        self.check("14 target still there", s,
                   req_download(group, fid.filename),
                   lambda v: v == b"target",
                   record="storage.download.link_target")
        self.check("12 delete target", s, req_delete(group, fid.filename),
                   record="storage.delete.link_target")
        self.check("20 target missing -> ENOENT", s, req_create_link(
            group, fid.filename, "txt", signature=b"0" * 24),
            status=Errno.ENOENT)
        s.drop()

    def bad_names(self):
        self.section("illegal names (8)")
        s, group = self.storage, self.group
        for what, name in (
                ("too short", "M00/00/00"),
                ("lower-case hex", "M00/0a/0a/" + "x" * 34),
                ("path index out of range", "M63/00/00/" + "x" * 34),
                ("not hex", "MZZ/00/00/" + "x" * 34),
                ("further slash", "M00/00/00/a/b" + "x" * 31),
                ("dot dot", "M00/../../etc/passwd" + "x" * 20)):
            self.check("14 %s -> EINVAL" % what, s, req_download(group, name),
                       status=Errno.EINVAL,
                       record="storage.download.bad_name")
        self.check("22 name of 140 bytes -> EINVAL", s,
                   req_file_info(group, "M00/00/00/" + "x" * 130),
                   status=Errno.EINVAL, record="storage.file_info.long_name")
        self.check("24 name of 128 bytes -> EINVAL", s,
                   req_append("M00/00/00/" + "x" * 118, b"x"),
                   status=Errno.EINVAL, record="storage.append.long_name")
        self.check("14 name of 128 bytes -> EINVAL (reference: ENOENT)", s,
                   req_download(group, "M00/00/00/" + "x" * 118),
                   status=(Errno.ENOENT, Errno.EINVAL),
                   record="storage.download.long_name")
        self.check("12 without filename -> EINVAL", s,
                   Request(Cmd.DELETE, group_field(group)),
                   status=Errno.EINVAL)

    # storage to storage ---------------------------------------------------

    def replicated_operations(self):
        self.section("replicated operations (8.11, 8.12)")
        s, group = self.storage, self.group
        peer = Peer(self, s.address, "S->S|storage source to storage replica")
        others = [x["id"] for x in self.servers
                  if (x["ip"], x["port"]) != s.address]
        if others:
            self.check("9 report server id", peer,
                       req_report_server_id(others[0]))
        self.check("9 bad length -> EINVAL", peer,
                   Request(Cmd.REPORT_SERVER_ID, b"1"), status=Errno.EINVAL)
        now = int(time.time())
        fid = FileId(group, self.store_path, 0, 0,
                     source_from_ip("10.254.254.1"), now,
                     mask_size(0, now & 0x7FFFFF, appender=True), 1234,
                     "123.log")
        name = fid.filename
        create = req_sync_file(Cmd.SYNC_CREATE, group, name, now, b"0123")
        data = req_download(group, name)
        self.check("16 create", peer, create)
        self.check("16 same size again -> EEXIST", peer, create,
                   status=Errno.EEXIST)
        self.check("16 without content -> EEXIST", peer,
                   req_sync_file(Cmd.SYNC_CREATE, group, name, now, b"0123",
                                 have_it=True), status=Errno.EEXIST,
                   record="storage.sync_create.have_it")
        self.check("22 mtime of the copy = ts", s, req_file_info(group, name),
                   lambda v: v["size"] == 4 and v["created"] == now,
                   record="storage.file_info.replica")
        self.check("18 update with other content", peer,
                   req_sync_file(Cmd.SYNC_UPDATE, group, name, now, b"abc"))
        self.check("14 updated", s, data, lambda v: v == b"abc",
                   record="storage.download.sync_updated")
        patch = req_sync_patch
        self.check("25 append", peer, patch(Cmd.SYNC_APPEND, group, name,
                                            now, 3, b"def"))
        self.check("25 already applied -> EEXIST", peer,
                   patch(Cmd.SYNC_APPEND, group, name, now, 3, b"def"),
                   status=Errno.EEXIST)
        self.check("25 gap -> ENOENT", peer,
                   patch(Cmd.SYNC_APPEND, group, name, now, 9, b"x"),
                   status=Errno.ENOENT)
        self.check("35 modify", peer, patch(Cmd.SYNC_MODIFY, group, name,
                                            now, 1, b"BC"))
        self.check("35 beyond the size -> ENOENT", peer,
                   patch(Cmd.SYNC_MODIFY, group, name, now, 9, b"x"),
                   status=Errno.ENOENT)
        self.check("14 patched", s, data, lambda v: v == b"aBCdef",
                   record="storage.download.sync_patched")
        self.check("37 size differs -> EEXIST", peer,
                   req_sync_truncate(group, name, now, 99, 2),
                   status=Errno.EEXIST)
        self.check("37 truncate", peer,
                   req_sync_truncate(group, name, now, 6, 2))
        self.check("14 truncated", s, data, lambda v: v == b"aB",
                   record="storage.download.sync_truncated")
        new = FileId.parse(str(fid))
        new.masked_size, new.crc32 = mask_size(2, 77), crc32(b"aB")
        rename = req_sync_pair(Cmd.SYNC_RENAME, group, new.filename, name,
                               now)
        self.zero_length_reply("40 rename", rename, "storage.sync_rename")
        self.check("40 again -> EEXIST", peer, rename, status=Errno.EEXIST)
        other = FileId.parse(str(new))
        other.crc32 ^= 1
        self.check("40 source missing -> ENOENT", peer, req_sync_pair(
            Cmd.SYNC_RENAME, group, other.filename, name, now),
            status=Errno.ENOENT)
        self.check("17 delete", peer,
                   req_sync_delete(group, new.filename, now))
        self.check("17 again -> ENOENT", peer,
                   req_sync_delete(group, new.filename, now),
                   status=Errno.ENOENT)
        self.check("25 missing file -> ENOENT", peer,
                   patch(Cmd.SYNC_APPEND, group, name, now, 0, b"x"),
                   status=Errno.ENOENT, record="storage.sync_append.missing")
        self.check("35 missing file -> ENOENT", peer,
                   patch(Cmd.SYNC_MODIFY, group, name, now, 0, b"x"),
                   status=Errno.ENOENT, record="storage.sync_modify.missing")
        self.check("37 missing file -> ENOENT", peer,
                   req_sync_truncate(group, name, now, 2, 1),
                   status=Errno.ENOENT)
        self.check("16 wrong group -> EINVAL", peer,
                   req_sync_file(Cmd.SYNC_CREATE, "nosuchgroup", name, now,
                                 b"x"), status=Errno.EINVAL)
        self.check("17 wrong group -> EINVAL", peer,
                   req_sync_delete("nosuchgroup", name, now),
                   status=Errno.EINVAL)

    def replicated_link(self):
        """Command 19.  A reference storage that has received it writes an
        unusable binlog record (sem. 9.4) and from then on neither sends its
        own operations nor answers 26, hence only with --intrusive."""
        self.section("replicated link (8.12)")
        s, group = self.storage, self.group
        peer = Peer(self, s.address, "S->S|storage source to storage replica")
        now = int(time.time())
        fid = FileId(group, self.store_path, 0, 0,
                     source_from_ip("10.254.254.1"), now,
                     mask_size(2, now & 0x7FFFFF), crc32(b"aB"), "123.txt")
        link = FileId.parse(str(fid))
        link.crc32 = 4321
        pair = req_sync_pair(Cmd.SYNC_LINK, group, link.filename,
                             fid.filename, now)
        self.check("16 create a link target", peer, req_sync_file(
            Cmd.SYNC_CREATE, group, fid.filename, now, b"aB"),
            record="storage.sync_create.link_target")
        self.check("19 link", peer, pair)
        self.check("19 link again -> 0", peer, pair,
                   record="storage.sync_link.again")
        self.check("14 through the link", s,
                   req_download(group, link.filename),
                   lambda v: v == b"aB", record="storage.download.sync_link")
        for name in (link.filename, fid.filename):
            self.check("17 delete", peer, req_sync_delete(group, name, now),
                       record="storage.sync_delete.link")

    def binlog(self):
        self.section("one-path binlog (8.13)")
        peer = Peer(self, self.storage.address,
                    "S->S|recovering storage to storage")
        request = req_fetch_binlog(self.group, 0)
        with Connection(*self.storage.address, timeout=self.timeout,
                        source_ip=self.source_ip) as conn:
            conn.send(request)
            head, status, body = conn.read_response()
        marked = head == struct.pack(">qBB", BINLOG_UNKNOWN_LENGTH, RESPONSE,
                                     0)
        if marked and not body:
            # The reference stops when its binlog holds the empty record of
            # a replicated link (sem. 9.4).
            self.quirk("26 fetch binlog", "header, then closed without data")
        else:
            text = _r_binlog(Reader(body), b"") if marked else ""
            self.report(marked and all(
                line.split(" ")[1] in "CcLl" for line in text.splitlines()),
                "26 fetch binlog, then close", repr(head + body)[:200])
            if self.recorder:
                self.recorder("storage.fetch_binlog", peer.role,
                              request.pack(), head + body,
                              "26 fetch binlog, then close")
        self.check("26 wrong group -> EINVAL", peer,
                   req_fetch_binlog("nosuchgroup", 0), status=Errno.EINVAL)
        self.check("26 path index out of range -> EINVAL", peer,
                   req_fetch_binlog(self.group, 99), status=Errno.EINVAL,
                   record="storage.fetch_binlog.bad_path")

    def trunk(self):
        self.section("trunk commands (8.14)")
        group = self.group
        peer = Peer(self, self.storage.address,
                    "S->S|storage to trunk server")
        slot = TrunkSlot(0, 0, 0, 1, 0, 256)
        if not self.use_trunk:
            for request in (req_trunk_alloc(group, 100, 0),
                            req_trunk_confirm(group, slot),
                            req_trunk_free(group, slot),
                            req_trunk_binlog(b"x"),
                            empty(Cmd.TRUNK_BINLOG_SIZE),
                            empty(Cmd.TRUNK_DELETE_MARKS),
                            empty(Cmd.TRUNK_TRUNCATE_BINLOG)):
                self.check("%d trunk off -> EINVAL" % request.cmd, peer,
                           request, status=Errno.EINVAL)
            return
        trunk_id = Client(join_host(*self.tracker_address), self.source_ip) \
            .ask_tracker(req_set_trunk_server(group))
        chief = [s for s in self.servers if s["id"] == trunk_id][0]
        peer.address = (chief["ip"], chief["port"])
        slot = self.check("27 allocate", peer, req_trunk_alloc(group, 100, 0),
                          lambda v: v.path == 0 and v.size >= 100)
        if slot:
            self.check("28 confirm", peer, req_trunk_confirm(group, slot))
            self.check("29 free", peer, req_trunk_free(group, slot))
            self.check("29 again -> EEXIST", peer,
                       req_trunk_free(group, slot), status=Errno.EEXIST)
        slot = self.check("27 allocate for a failed write", peer,
                          req_trunk_alloc(group, 100, 0),
                          record="storage.trunk_alloc.2")
        if slot:
            self.check("28 confirm with error 5", peer,
                       req_trunk_confirm(group, slot, Errno.EIO),
                       record="storage.trunk_confirm.error")
        self.check("31 binlog size", peer, empty(Cmd.TRUNK_BINLOG_SIZE),
                   lambda v: v >= 0)
        self.check("27 wrong group -> EINVAL", peer,
                   req_trunk_alloc("nosuchgroup", 100, 0),
                   status=Errno.EINVAL)
        others = [s for s in self.servers if s["id"] != trunk_id
                  and s["state"] == State.ACTIVE]
        if others:
            other = Peer(self, (others[0]["ip"], others[0]["port"]),
                         peer.role)
            self.check("27 not the trunk server -> EINVAL", other,
                       req_trunk_alloc(group, 100, 0), status=Errno.EINVAL,
                       record="storage.trunk_alloc.not_trunk_server")

    def system_files(self):
        self.section("system files of the tracker (7.5)")
        t = Peer(self, self.tracker_address, "T->T|tracker to tracker")

        def check(label, request, want=None, status=Errno.OK, record=""):
            self.check(label, t, request, want, status, "tracker." + record)

        check("61 start", empty(Cmd.SYS_FILES_START),
              record="sys_files_start")
        for index, name in enumerate(("groups", "servers", "sync timestamps",
                                      "change log")):
            check("63 read %s" % name, req_sys_file_read(index, 0),
                  lambda v: 0 <= len(v["content"]) <= v["size"],
                  record="sys_file_read.%d" % index)
        check("63 index 4 -> EINVAL", req_sys_file_read(4, 0),
              status=Errno.EINVAL, record="sys_file_read.bad_index")
        check("63 offset beyond the size -> EINVAL",
              req_sys_file_read(0, 1 << 40), status=Errno.EINVAL,
              record="sys_file_read.bad_offset")
        check("62 end", empty(Cmd.SYS_FILES_END), record="sys_files_end")
        t.drop()

    # a tracker that no storage has joined yet -----------------------------

    def run_fresh(self):
        self.section("a tracker without groups (5, 6, 7)")
        t = self.tracker

        def check(label, request, want=None, status=Errno.OK):
            self.check(label, t, request, want, status,
                       "fresh." + cmd_name(request.cmd).lower())

        check("91 no groups -> empty list", req_list_groups(),
              lambda v: v == [])
        check("101 -> ENOENT", req_query_store(), status=Errno.ENOENT)
        check("106 -> ENOENT", req_query_store(None, True),
              status=Errno.ENOENT)
        check("95 no leader -> ENOENT", req_get_leader(),
              status=Errno.ENOENT)
        check("64 no groups -> ENOENT", req_tracker_status(),
              status=Errno.ENOENT)
        check("61 no groups -> ENOENT", empty(Cmd.SYS_FILES_START),
              status=Errno.ENOENT)
        check("96 not leader -> EOPNOTSUPP", req_stat_trackers(),
              status=Errno.EOPNOTSUPP)
        check("97 no storages", req_stat_storages(),
              lambda v: v["storages"] == [])
        check("98 no volumes", req_stat_volumes(),
              lambda v: v["volumes"] == [])
        check("68 not leader -> EOPNOTSUPP", req_reselect_leader(),
              status=Errno.EOPNOTSUPP)
        check("81 only an unreachable tracker listed -> EAGAIN or ENOENT",
              req_join("zprobe", 23999, ["10.254.254.2:22122"],
                       tracker_ip=self.tracker_address[0]),
              status=(Errno.EAGAIN, Errno.ENOENT))
        check("91 the refused join made no group", req_list_groups(),
              lambda v: v == [])
        print("== %d passed, %d failed" % (self.passed, self.failed))
        return self.failed == 0

    # a storage of our own -------------------------------------------------

    def fake_storage(self):
        """Joins a storage that does not exist, to a group of its own.

        Leaves a DELETED record behind (group "zprobe"); for test clusters
        only.  Without storage ids the source address must be unused.
        """
        self.section("a fake storage joins group zprobe (6)")
        group, port = "zprobe", 23999
        t = Peer(self, self.tracker_address, "S->T|storage to tracker")
        mine = t.get().sock.getsockname()[0]
        lines = [join_host(*self.tracker_address)]
        now = int(time.time())

        def join(**changes):
            fields = dict(group=group, port=port, trackers=lines, paths=2,
                          subdirs=256, join_time=now, up_time=now,
                          tracker_ip=self.tracker_address[0])
            fields.update(changes)
            return req_join(**fields)

        def check(label, request, want=None, status=Errno.OK, record=""):
            return self.check(label, t, request, want, status,
                              "tracker." + (record or
                                            cmd_name(request.cmd).lower()))

        check("81 path count 0 -> EINVAL", join(paths=0),
              status=Errno.EINVAL, record="join.paths0")
        check("81 port 0 -> EINVAL", join(port=0), status=Errno.EINVAL,
              record="join.port0")
        check("81 subdirectories 257 -> EINVAL", join(subdirs=257),
              status=Errno.EINVAL, record="join.subdirs257")
        check("81 tracker line without newline -> EINVAL",
              Request(Cmd.JOIN, join().body[:-1]), status=Errno.EINVAL,
              record="join.no_newline")
        check("81 unknown, initialised, no status -> EFAULT",
              join(init=0), status=Errno.EFAULT, record="join.efault")
        if check("81 join, init flag 1 -> INIT", join(),
                 lambda v: v["state"] == State.INIT
                 and v["source_id"] == "") is None:
            return
        news = 5 if self.is_leader else 0     # only a leader sets bits
        check("83 first beat of an INIT storage", req_beat(),
              lambda v: v["flags"] & (NOTICE_LEADER | NOTICE_MEMBERS) == news,
              record="beat.first")
        check("83 second beat", req_beat(), lambda v: v["flags"] == 0,
              record="beat.second")
        check("87 no other server -> no source", req_need_sync_source(),
              lambda v: v is None)
        check("83 with statistics -> ACTIVE",
              req_beat(pack_stat(conn_alloc=3, upload_total=2, upload_ok=1,
                                 last_source_update=now)),
              lambda v: not self.is_leader or v["flags"] & NOTICE_MEMBERS
              and v["members"][0]["state"] == State.ACTIVE,
              record="beat.stat")
        check("83 bad length -> EINVAL", Request(Cmd.BEAT, b"x" * 347),
              status=Errno.EINVAL, record="beat.bad_length")
        check("84 disk usage", req_disk_report([(1000, 900), (1000, 800)]),
              lambda v: v["flags"] == 0)
        check("84 wrong path count -> EINVAL", req_disk_report([(1, 1)]),
              status=Errno.EINVAL, record="disk_report.bad_count")
        check("88 no source", req_notify_sync_source("", 0))
        check("79 my sync source", req_my_sync_source(),
              lambda v: v is None)
        own = Client(join_host(*self.tracker_address), self.source_ip) \
            .ask_tracker(req_list_storages(group))
        self.report(len(own) == 1 and own[0]["total_mb"] == 2000 and
                    own[0]["free_mb"] == 1700 and
                    own[0]["stat"]["upload_total"] == 2 and
                    own[0]["path_count"] == 2 and own[0]["port"] == port,
                    "92 shows what the storage reported", repr(own)[:300])
        my_id = own[0]["id"]
        check("89 synced timestamps", req_sync_timestamps([(my_id, now)]),
              lambda v: v["flags"] == 0)
        check("89 empty -> EINVAL", Request(Cmd.SYNC_TIMESTAMPS),
              status=Errno.EINVAL, record="sync_timestamps.empty")
        check("85 peer list", req_peer_list(
            [(State.ACTIVE, port, my_id, mine)]))
        check("77 change log", req_change_log())
        check("72 fetch trunk id", req_trunk_id_fetch(), lambda v: v >= 0,
              status=Errno.OK if self.use_trunk else Errno.OK)
        check("73 not trunk server -> EINVAL", req_trunk_id_report(1),
              status=Errno.EINVAL)
        check("74 not trunk server -> EINVAL", req_trunk_free_report(1),
              status=Errno.EINVAL)
        check("59 change status", req_change_status(State.OFFLINE))
        check("93 active storage -> EBUSY",
              req_delete_storage(group, my_id), status=Errno.EBUSY,
              record="delete_storage.fake")
        t.drop()
        end = time.monotonic() + self.timeout
        while True:  # the tracker has no event for us
            own = Client(join_host(*self.tracker_address), self.source_ip) \
                .ask_tracker(req_list_storages(group))
            if own[0]["state"] == State.OFFLINE or time.monotonic() > end:
                break
            time.sleep(0.01)
        self.report(own[0]["state"] == State.OFFLINE,
                    "connection lost -> OFFLINE", repr(own[0]["state"]))
        check("104 no active storage -> ENOENT", req_query_store(group),
              status=Errno.ENOENT, record="store_one_group.no_active")
        check("93 delete", req_delete_storage(group, my_id),
              record="delete_storage.ok")
        check("93 again -> EALREADY", req_delete_storage(group, my_id),
              status=Errno.EALREADY, record="delete_storage.again")
        check("77 change log names the deletion",
              req_change_log(group, my_id),
              lambda v: " %s %s 4 " % (group, my_id) in v,
              record="change_log.deleted")
        check("108 deleted record still counts -> EBUSY",
              req_delete_group(group), status=Errno.EBUSY,
              record="delete_group.deleted_member")


# --------------------------------------------------------------------------
# Command line
# --------------------------------------------------------------------------


def verify_vectors(paths):
    """Decode every recorded exchange strictly; -> number of failures."""
    failures = total = 0
    for path in paths:
        with open(path) as lines:
            for number, line in enumerate(lines, 1):
                item = json.loads(line)
                total += 1
                problem = verify_vector(item)
                if problem:
                    failures += 1
                    print("%s:%d %s: %s" % (path, number, item["name"],
                                            problem))
    print("%d exchanges, %d do not decode" % (total, failures))
    return failures


def verify_vector(item):
    request = bytes.fromhex(item["request_hex"])
    response = bytes.fromhex(item["response_hex"])
    length, cmd, flag = struct.unpack(">qBB", request[:HEADER_SIZE])
    if not response:
        return ""             # the peer closed, nothing to decode
    size, code, status = struct.unpack(">qBB", response[:HEADER_SIZE])
    if code != RESPONSE:
        return "response code %d" % code
    body = response[HEADER_SIZE:]
    if size != len(body) and size != BINLOG_UNKNOWN_LENGTH:
        return "length %d, body %d" % (size, len(body))
    if status:
        return "" if not body else "status %d with a body" % status
    if "defect" in item["note"]:
        return ""             # recorded only to show the reference
    try:
        decode_request(cmd, flag, request[HEADER_SIZE:])
        decode_response(cmd, body, request[HEADER_SIZE:])
    except (ProtocolError, ValueError, struct.error) as exc:
        return str(exc)
    return ""


def selftest():
    """Known values of the specification."""
    a = "group1/M00/EF/A9/wKgBCmVT8QCAKlt8AAAADevmxuY731.txt"
    cases = []
    fid = FileId.parse(a)
    cases.append((str(fid), a))
    cases.append((fid.raw.hex(), "c0a8010a6553f100802a5b7c0000000debe6c6e6"))
    cases.append((FileId("group1", 0, 0xEF, 0xA9,
                         source_from_ip("192.168.1.10"), 1700000000,
                         mask_size(13, 0x2A5B7C), 0xEBE6C6E6,
                         normalise_tail("txt", "731")), fid))
    cases.append(((fid.kind, fid.size, fid.source_ip, fid.timestamp),
                  ("normal", 13, "192.168.1.10", 1700000000)))
    b = FileId("g", 1, 0xC4, 0x10, source_from_id(100001), 1700000600,
               mask_size(6442450944), 0x1A2B3C4D,
               normalise_tail("", "5820413"))
    cases.append((b.filename,
                  "M01/C4/10/oYYBAGVT81gAAAABgAAAABorPE05820413"))
    cases.append((b.source_id, 100001))
    c = "g/M00/00/0A/ooYBAGVT9bCIFVqgAAAAyO0IYYAAAAADAAAEAAAAAEA441.bin"
    c = FileId("g", 0, 0, 10, source_from_id(100002), 1700001200,
               mask_size(200, 0x155AA0, trunk=True), crc32(bytes(range(200))),
               normalise_tail("bin", "441"), (12, 4096, 256))
    again = FileId.parse(str(c))
    cases.append((again, c))
    cases.append((len(c.filename), 60))
    cases.append(((again.kind, again.size), ("trunk", 200)))
    cases.append((c.raw.hex(), "a28601006553f5b088155aa0000000c8ed086180"))
    d = FileId.parse("g/M00/12/34/CgAABWVT-AiEC83vAAAAAAAAAAA906.log")
    cases.append(((d.kind, d.source_ip, d.size),
                  ("appender", "10.0.0.5", None)))
    e = fid.slave_name("_150x150", "jpg")
    cases.append((e, "M00/EF/A9/wKgBCmVT8QCAKlt8AAAADevmxuY731_150x150.jpg"))
    cases.append((FileId.parse("g/" + e).kind, "slave"))
    cases.append((pjw_hash(b"abc"), 0x6783))
    cases.append((pjw_hash(b"wKgBCmVT8QCAKlt8AAAADevmxuY"), 0x0439EFA9))
    cases.append((pjw_hash(b.name27.encode()) % 65536, 50192))
    cases.append((ipv6_short_code("2001:db8::1"), "8VBL_wAAAAA."))
    cases.append((antisteal_token(fid.filename, 1700000000,
                                  "FastDFS1234567890"),
                  "5b5a08911038eb1c3dc813a5db9e374b"))
    cases.append((antisteal_token(a, 1700000000, "FastDFS1234567890"),
                  "79e87867db2f95265ae231da78baaf51"))
    cases.append((len(req_join("g", 1, ["1.2.3.4:22122"]).body),
                  145 + len("1.2.3.4:22122\n")))
    cases.append((len(pack_brief(7, 23000, "1", "1.2.3.4")), BRIEF_SIZE))
    cases.append((STAT_STRUCT.size, STAT_SIZE))
    cases.append((SLOT_HEADER.size, 24))
    bad = [case for case in cases if case[0] != case[1]]
    for got, wanted in bad:
        print("FAIL got %r\n     want %r" % (got, wanted))
    print("%d of %d known values agree" % (len(cases) - len(bad), len(cases)))
    return len(bad)


def main():
    parser = argparse.ArgumentParser(
        description="Reference client for the FastDFS 6.16 protocol")
    parser.add_argument("--tracker", metavar="HOST:PORT")
    parser.add_argument("--group", help="group of the file tests")
    parser.add_argument("--source-ip", help="bind outgoing connections")
    parser.add_argument("--timeout", type=float, default=PATIENCE)
    sub = parser.add_subparsers(dest="action", required=True)
    p = sub.add_parser("probe", help="test a running cluster")
    p.add_argument("--server-commands", action="store_true",
                   help="also send storage-to-storage commands")
    p.add_argument("--intrusive", action="store_true",
                   help="also join a fake storage (leaves a record)")
    p.add_argument("--fresh", action="store_true",
                   help="only the checks of a tracker no storage has joined")
    p.add_argument("--record", metavar="FILE", help="write JSON lines")
    p.add_argument("-v", "--verbose", action="store_true")
    p = sub.add_parser("upload")
    p.add_argument("file")
    p.add_argument("--appender", action="store_true")
    p = sub.add_parser("download")
    p.add_argument("file_id")
    p.add_argument("file", nargs="?")
    for name in ("delete", "info", "decode"):
        sub.add_parser(name).add_argument("file_id")
    sub.add_parser("groups")
    sub.add_parser("storages")
    sub.add_parser("params")
    sub.add_parser("verify").add_argument("files", nargs="+")
    sub.add_parser("selftest")
    args = parser.parse_args()

    if args.action == "selftest":
        return 1 if selftest() else 0
    if args.action == "verify":
        return 1 if verify_vectors(args.files) else 0
    if args.action == "decode":
        fid = FileId.parse(args.file_id)
        for name in ("kind group path high low source_ip source_id timestamp "
                     "size crc32 trunk tail").split():
            print("%-10s %s" % (name, getattr(fid, name)))
        print("%-10s %s" % ("bytes", fid.raw.hex()))
        return 0
    if not args.tracker:
        parser.error("--tracker is required")
    if args.action == "probe":
        recorder = Recorder(args.record) if args.record else None
        probe = Probe(args.tracker, args.group, args.source_ip, recorder,
                      args.server_commands, args.intrusive, args.verbose,
                      args.timeout)
        good = probe.run_fresh() if args.fresh else probe.run()
        return 0 if good else 1
    client = Client(args.tracker, args.source_ip, args.timeout)
    if args.action == "upload":
        with open(args.file, "rb") as handle:
            content = handle.read()
        base = args.file.rsplit("/", 1)[-1]
        ext = base.rpartition(".")[2] if "." in base else ""
        print(client.upload(content, ext[:EXT_LEN], args.group,
                            args.appender))
    elif args.action == "download":
        data = client.download(args.file_id)
        if args.file:
            with open(args.file, "wb") as handle:
                handle.write(data)
        else:
            sys.stdout.buffer.write(data)
    elif args.action == "delete":
        client.delete(args.file_id)
    elif args.action == "info":
        print(json.dumps(client.info(args.file_id), indent=2))
    elif args.action == "groups":
        print(json.dumps(client.ask_tracker(req_list_groups()), indent=2))
    elif args.action == "storages":
        for group in client.ask_tracker(req_list_groups()):
            if args.group in (None, group["group"]):
                print(json.dumps(client.ask_tracker(
                    req_list_storages(group["group"])), indent=2))
    elif args.action == "params":
        print(json.dumps(client.ask_tracker(req_parameters()), indent=2))
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (ProtocolError, StatusError, OSError) as error:
        print("error: %s" % error, file=sys.stderr)
        sys.exit(1)
