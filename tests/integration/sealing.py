# SPDX-License-Identifier: Apache-2.0
"""What the tests of encryption share: keys, contents, and where they lie on the disk."""
import base64
import contextlib
import hashlib
import os

from cluster import files_below, plain_files_below
from rawhttp import Raw

FRAME = 64 * 1024


class Key:
    """A customer's key, as arguments of boto3 and as headers."""

    def __init__(self):
        self.bytes = os.urandom(32)
        self.args = {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": self.bytes}
        self.source = {"CopySourceSSECustomerAlgorithm": "AES256", "CopySourceSSECustomerKey": self.bytes}
        self.text = base64.b64encode(self.bytes).decode()
        self.md5 = base64.b64encode(hashlib.md5(self.bytes).digest()).decode()

    def headers(self, prefix="x-amz-server-side-encryption-customer-", **change):
        h = {"algorithm": "AES256", "key": self.text, "key-MD5": self.md5, **change}
        return {prefix + k: v for k, v in h.items() if v is not None}


def content(n, marker=b""):
    """Bytes that repeat, so that a wrong offset shows, with a marker that must not be found on disk."""
    return (marker + hashlib.sha256(b"%d" % n).digest() * (n // 32 + 1))[:n]


def body(answer):
    return answer["Body"].read()


def files_with(folder, marker):
    found = []
    for path in files_below(folder):
        with contextlib.suppress(OSError), open(path, "rb") as f:  # a socket; or gone by now
            if marker in f.read():
                found.append(path)
    return found


KINDS = ["none", "customer", "AES256", "aws:kms"]
SEALED = KINDS[1:]


def written_as(kind, key):
    return {"none": {}, "customer": key.args}.get(kind, {"ServerSideEncryption": kind})


def storage_file(c, size):
    (path,) = [path for path, n in files_below(c.data / "storage").items() if n == size]
    return path


def sealed_size(n):
    return 24 + n + 16 * ((n + FRAME - 1) // FRAME)


def new_files(c, before):
    """Size by path, of what the storage has beside @before."""
    return {path: n for path, n in plain_files_below(c.data / "storage").items() if path not in before}


def append(c, bucket, key, offset, data, headers=None):
    return Raw(c).request("PUT", f"/{bucket}/{key}", body=data,
                          headers={"x-amz-write-offset-bytes": str(offset), **(headers or {})})
