# SPDX-License-Identifier: Apache-2.0
"""native_steps - py3Fdfs from PyPI, unmodified, against our tracker, under build/venv's Python.

native_steps.py TRACKER-PORT FOLDER FILE-IDS-OF-S3-OBJECTS HEX-MD5S-OF-THEM

What it does not call (metadata, downloads of a part) does not work in this package under Python 3, whatever
the server; native_steps.cjs does that with two packages from npm.
"""
import hashlib
import os
import sys


def content(n):
    return bytes((i * 7 + (i >> 8)) & 255 for i in range(n))


def text(value):
    return value.decode() if isinstance(value, bytes) else value


def py3fdfs(port, folder):
    from fdfs_client.client import Fdfs_client, get_tracker_conf
    conf = os.path.join(folder, "client.conf")
    with open(conf, "w") as f:
        f.write(f"connect_timeout=30\nnetwork_timeout=60\nbase_path={folder}\ntracker_server=127.0.0.1:{port}\n"
                "http.tracker_server_port=80\n")
    return Fdfs_client(get_tracker_conf(conf))


def upload_read_delete(client, size):
    data = content(size)
    up = client.upload_by_buffer(data, "bin")
    assert "succe" in text(up["Status"]).lower(), up
    file_id = up["Remote file_id"]
    assert text(file_id).startswith("group1/M00/") and text(file_id).endswith(".bin"), up
    assert client.download_to_buffer(file_id)["Content"] == data
    client.delete_file(file_id)
    try:
        client.download_to_buffer(file_id)
    except Exception:
        return
    raise SystemExit("a deleted file could still be downloaded")


def files(client, folder):
    path = os.path.join(folder, "up.txt")
    with open(path, "wb") as f:
        f.write(content(1_500_000))
    file_id = client.upload_by_filename(path)["Remote file_id"]
    down = os.path.join(folder, "down.txt")
    client.download_to_file(down, file_id)
    with open(down, "rb") as f:
        assert f.read() == content(1_500_000)
    client.delete_file(file_id)


def appender(client):
    file_id = client.upload_appender_by_buffer(b"begin ", "log")["Remote file_id"]
    client.append_by_buffer(b"and end", file_id)
    assert client.download_to_buffer(file_id)["Content"] == b"begin and end"
    client.delete_file(file_id)


def main():
    port, folder, s3_files, s3_md5s = sys.argv[1:]
    client = py3fdfs(int(port), folder)
    for size in (1, 5000, 300_000, 3_000_000):
        upload_read_delete(client, size)
    files(client, folder)
    appender(client)
    for file_id, md5 in zip(s3_files.split(","), s3_md5s.split(",")):
        assert hashlib.md5(client.download_to_buffer(file_id.encode())["Content"]).hexdigest() == md5
    print("ok")


if __name__ == "__main__":
    main()
