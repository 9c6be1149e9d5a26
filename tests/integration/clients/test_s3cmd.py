# SPDX-License-Identifier: Apache-2.0
"""s3cmd: signature version 4, and 2 with --signature-v2."""
import pytest
from clientlib import ODD_NAMES, assert_same_tree, content, make_tree, run

pytestmark = pytest.mark.long


class S3cmd:
    def __init__(self, cluster, home, extra=()):
        self.env = cluster.client_env(home)
        config = home / "s3cfg"
        host = f"127.0.0.1:{cluster.port}"
        config.write_text(f"[default]\naccess_key = {cluster.access_key}\nsecret_key = {cluster.secret_key}\n"
                          f"host_base = {host}\nhost_bucket = {host}\nuse_https = {cluster.tls}\n"
                          f"bucket_location = {cluster.region}\nmultipart_chunk_size_mb = 5\n" +
                          (f"ca_certs_file = {cluster.certificate}\n" if cluster.tls else ""))
        self.base = ["/usr/bin/s3cmd", "-c", str(config), "--no-progress", *extra]

    def __call__(self, *words, check=True):
        return run(self.base + list(words), self.env, check=check)


@pytest.fixture(params=["v4", "v2"])
def s3cmd(request, either, tmp_path):
    return S3cmd(either, tmp_path, ["--signature-v2"] if request.param == "v2" else [])


def test_files_go_there_and_back(s3cmd, tmp_path):
    s3cmd("mb", "s3://s3cmd-files")
    (tmp_path / "f").write_bytes(content(12_000_000))
    s3cmd("put", "--add-header=x-amz-meta-color:blue", str(tmp_path / "f"), "s3://s3cmd-files/a b+c%.bin")
    assert b"12000000" in s3cmd("ls", "s3://s3cmd-files").stdout
    info = s3cmd("info", "s3://s3cmd-files/a b+c%.bin").stdout
    assert b"x-amz-meta-color: blue" in info
    s3cmd("cp", "s3://s3cmd-files/a b+c%.bin", "s3://s3cmd-files/copy")
    s3cmd("get", "s3://s3cmd-files/copy", str(tmp_path / "g"))
    assert (tmp_path / "g").read_bytes() == content(12_000_000)
    s3cmd("mv", "s3://s3cmd-files/copy", "s3://s3cmd-files/moved")
    s3cmd("modify", "--add-header=Cache-Control:max-age=9", "s3://s3cmd-files/moved")
    s3cmd("del", "--recursive", "--force", "s3://s3cmd-files")
    s3cmd("rb", "s3://s3cmd-files")


def test_a_tree_is_synchronised(s3cmd, tmp_path):
    tree = make_tree(tmp_path / "up", [n for n in ODD_NAMES if n != "-leading-dash"])
    s3cmd("mb", "s3://s3cmd-sync")
    s3cmd("sync", f"{tree}/", "s3://s3cmd-sync/x/")
    s3cmd("sync", "s3://s3cmd-sync/x/", f"{tmp_path}/down/")
    assert_same_tree(tree, tmp_path / "down")
    (tree / "plain.txt").unlink()
    s3cmd("sync", "--delete-removed", f"{tree}/", "s3://s3cmd-sync/x/")
    assert b"plain.txt" not in s3cmd("ls", "--recursive", "s3://s3cmd-sync").stdout
    s3cmd("rb", "--recursive", "--force", "s3://s3cmd-sync")


def test_unfinished_uploads_are_seen_and_aborted(cluster, tmp_path):
    s3cmd = S3cmd(cluster, tmp_path)
    s3 = cluster.boto3()
    s3.create_bucket(Bucket="s3cmd-mp")
    upload = s3.create_multipart_upload(Bucket="s3cmd-mp", Key="open")["UploadId"]
    assert upload.encode() in s3cmd("multipart", "s3://s3cmd-mp").stdout
    s3cmd("abortmp", "s3://s3cmd-mp/open", upload)
    assert upload.encode() not in s3cmd("multipart", "s3://s3cmd-mp").stdout
    s3cmd("rb", "s3://s3cmd-mp")
