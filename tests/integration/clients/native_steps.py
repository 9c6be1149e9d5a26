# SPDX-License-Identifier: Apache-2.0
"""native_steps - unmodified FastDFS clients from PyPI against our tracker, under build/venv's Python.

native_steps.py CLIENT TRACKER-PORT FOLDER FILE-ID-OF-AN-S3-OBJECT HEX-MD5-OF-IT
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


def fastdfs_client(port, folder):
    from fastdfs_client import FastdfsClient
    return FastdfsClient([f"127.0.0.1:{port}"])


def upload_read_delete(client, size):
    data = content(size)
    up = client.upload_by_buffer(data, "bin", {"width": "7", "height": "8"})
    assert "succe" in text(up["Status"]).lower(), up
    file_id = up["Remote file_id"]
    assert text(file_id).startswith("group1/M00/"), up
    assert text(file_id).endswith(".bin"), up
    assert client.download_to_buffer(file_id)["Content"] == data
    if size > 1000:
        assert client.download_to_buffer(file_id, 100, 200)["Content"] == data[100:300]
    meta = {text(k): text(v) for k, v in client.get_meta_data(file_id).items()}
    assert meta == {"width": "7", "height": "8"}, meta
    client.set_meta_data(file_id, {"depth": "9", "width": "1"}, b"M" if isinstance(file_id, bytes) else "M")
    meta = {text(k): text(v) for k, v in client.get_meta_data(file_id).items()}
    assert meta == {"width": "1", "height": "8", "depth": "9"}, meta
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


def s3_object(client, file_id, md5):
    """What S3 stored is read by its id, as bytes or text, whatever this client wants."""
    if client.__class__.__name__ == "Fdfs_client":
        file_id = file_id.encode()
    assert hashlib.md5(client.download_to_buffer(file_id)["Content"]).hexdigest() == md5


def main():
    name, port, folder, s3_file, s3_md5 = sys.argv[1:]
    client = globals()[name](int(port), folder)
    for size in (1, 5000, 300_000, 3_000_000):
        upload_read_delete(client, size)
    files(client, folder)
    appender(client)
    for file_id, md5 in zip(s3_file.split(","), s3_md5.split(",")):
        s3_object(client, file_id, md5)
    client.list_all_groups()
    print("ok")


if __name__ == "__main__":
    main()
