# SPDX-License-Identifier: Apache-2.0
"""native_wide_steps - fastdfs-client from PyPI, unmodified, under build/venv's Python.

native_wide_steps.py TRACKER-PORT FOLDER

It speaks FastDFS 6.12: addresses in answers are 45 bytes wide. What it does not call (metadata, appenders, slaves,
lists) fails in the package itself, in struct.pack and the like, before anything complete is sent.
"""
import asyncio
import os
import sys

from fastdfs_client import AsyncDfsClient, FastdfsClient
from native_steps import content


def blocking(conf, folder):
    client = FastdfsClient(conf)
    for size in (1, 5000, 300_000, 3_000_000):
        file_id = client.upload_by_buffer(content(size), "bin")["Remote file_id"]
        assert file_id.startswith("group1/M00/") and file_id.endswith(".bin"), file_id
        assert client.download_to_buffer(file_id)["Content"] == content(size)
        assert client.download_to_buffer(file_id, size // 3, size // 2)["Content"] == (
            content(size)[size // 3:size // 3 + size // 2] if size > 1 else content(1))
        client.delete_file(file_id)
        try:
            client.download_to_buffer(file_id)
        except Exception as error:
            assert "No such file" in str(error), error
        else:
            raise SystemExit("a deleted file could still be downloaded")
    path = os.path.join(folder, "up.txt")
    with open(path, "wb") as f:
        f.write(content(1_500_000))
    file_id = client.upload_by_filename(path)["Remote file_id"]
    assert client.download_to_buffer(file_id)["Content"] == content(1_500_000)
    # Into a file it takes each 1024 bytes for read, whatever more a second recv() returned: then it waits for bytes that
    # have come. So only what comes in one piece.
    file_id = client.upload_by_buffer(content(1000), "txt")["Remote file_id"]
    client.download_to_file(path + ".back", file_id)
    with open(path + ".back", "rb") as f:
        assert f.read() == content(1000)


async def concurrent(conf):
    client = AsyncDfsClient(conf)
    urls = await asyncio.gather(*(client.upload(content(size), "txt") for size in range(1, 60_000, 5000)))
    blocking_client = FastdfsClient(conf)
    for size, url in zip(range(1, 60_000, 5000), urls):
        file_id = url.split("/", 3)[3]
        assert blocking_client.download_to_buffer(file_id)["Content"] == content(size)
        await client.delete(file_id)


def main():
    port, folder = sys.argv[1:]
    conf = {"host_tuple": ("127.0.0.1",), "port": int(port), "timeout": 60, "name": "Tracker Pool"}
    blocking(conf, folder)
    asyncio.run(concurrent(conf))
    print("ok")


if __name__ == "__main__":
    main()
