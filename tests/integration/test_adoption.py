# SPDX-License-Identifier: Apache-2.0
"""A storage directory that FastDFS has filled, started on by ours: every file by its id, for new members too."""
import base64
import random
import struct
import zlib

import pytest

import nativecluster as native


def file_id(ip, created, data, ext, rnd, appender=False):
    """Name below data/ and logical name of a plain file, as fastdfs-semantics.md 2 says."""
    size = (1 << 63) | (rnd.getrandbits(23) << 32) | (0 if appender else len(data)) | (1 << 58 if appender else 0)
    raw = bytes(map(int, ip.split("."))) + struct.pack(">IQI", created, size, zlib.crc32(data))
    text = base64.urlsafe_b64encode(raw).decode().rstrip("=")
    pad = "".join(rnd.choice("0123456789") for _ in range(6 - len(ext)))
    local = f"{rnd.randrange(256):02X}/{rnd.randrange(256):02X}/{text}{pad}.{ext}"
    return local, f"M00/{local}"


def fill(place, ip, rnd):
    """What FastDFS 6.16 leaves in base_path and store_path0 (semantics 6, 9): name to bytes, and to metadata."""
    files, meta = {}, {}
    for i in range(40):
        data = rnd.randbytes(rnd.choice([0, 10, 5000, 300_000]))
        local, name = file_id(ip, 1_700_000_000 + i, data, rnd.choice(["txt", "jpg"]), rnd, appender=i % 10 == 9)
        path = place / "path0" / "data" / local
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        files[name] = data
        if i % 7 == 0:
            path.with_name(path.name + "-m").write_bytes(b"author\x02me\x01width\x027")
            meta[name] = [("author", "me"), ("width", "7")]
    data = place / "path0" / "data"
    (data / "sync").mkdir()
    (data / "sync" / "binlog.000").write_text("1700000000 C M00/00/00/x\n")
    base = place / "data"
    base.mkdir()
    (base / "storage_stat.dat").write_text("total_upload_count=40\nsuccess_upload_count=40\n")
    (base / ".data_init_flag").write_text(
        f"storage_join_time=1700000000\nsync_old_done=1\nsync_src_server=\nsync_until_timestamp=0\n"
        f"last_ip_addr={ip}\nlast_server_port=23000\nlast_http_port=8888\ncurrent_trunk_file_id=0\n"
        f"trunk_last_compress_time=0\n")
    return files, meta


@pytest.mark.parametrize("members", [1, 2])
def test_a_directory_of_fastdfs_goes_on_serving(members):
    cluster = native.NativeCluster()
    try:
        files, meta = {}, {}
        for number in range(2, 2 + members):
            cluster.prepare(number)
            # A group's servers hold the same files; each is adopted where it lies.
            files, meta = fill(cluster.folder / f"storage{number}", "127.0.0.2", random.Random(5))
        old = [cluster.add(number) for number in range(2, 2 + members)]
        fresh = cluster.add(9)
        for storage in [*old, fresh]:
            storage = storage.local()
            for name, data in files.items():
                assert storage.download(name) == data
                assert storage.info(name)[2] == zlib.crc32(data)
            for name, pairs in meta.items():
                assert storage.get_meta(name) == pairs
        name = next(iter(files))
        fresh.delete(name)
        new = old[0].upload(b"written after it")
        native.wait_same(fresh, {name: None, new: b"written after it"})
        native.wait_same(old[-1], {name: None, new: b"written after it"})
        for program in cluster.storages.values():
            program.stop()
    finally:
        cluster.remove()
