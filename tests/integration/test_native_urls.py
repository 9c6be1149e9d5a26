# SPDX-License-Identifier: Apache-2.0
"""Files by their FastDFS names over HTTP, with and without the anti-steal token."""
import hashlib
import http.client
import subprocess
import time

import pytest

from cluster import BUILD, Cluster

SECRET = "anti-steal"


def start(tmp_path_factory, text):
    settings = tmp_path_factory.mktemp("conf") / "s3gw.conf"
    settings.write_text(text)
    return Cluster(args=["--config", str(settings)]).start()


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    c = start(tmp_path_factory, "native_url = group1\n")
    try:
        yield c
        assert c.stop() == 0, c.tail()
    finally:
        c.remove()


@pytest.fixture(scope="module")
def guarded(tmp_path_factory):
    c = start(tmp_path_factory, f"native_url = group1={SECRET}\nnative_token_ttl = 100s\n")
    try:
        yield c
        assert c.stop() == 0, c.tail()
    finally:
        c.remove()


def dfs(cluster, *words):
    port = cluster.admin("status")["tracker"]["port"]
    done = subprocess.run([str(BUILD / "dfs"), "--tracker", f"127.0.0.1:{port}", *map(str, words)],
                          capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def upload(cluster, tmp_path, data, ext="jpg"):
    file = tmp_path / f"file.{ext}"
    file.write_bytes(data)
    return dfs(cluster, "upload", file)


def ask(cluster, path, method="GET", **headers):
    c = http.client.HTTPConnection("127.0.0.1", cluster.port, timeout=60)
    c.request(method, path, headers=headers)
    answer = c.getresponse()
    body = answer.read()
    c.close()
    return answer.status, dict((k.lower(), v) for k, v in answer.getheaders()), body


@pytest.mark.parametrize("size", [0, 1, 5000, 400_000])
def test_a_file_is_served_by_its_name(cluster, tmp_path, size):
    data = bytes(i * 7 % 251 for i in range(size))
    name = upload(cluster, tmp_path, data)
    status, headers, body = ask(cluster, "/" + name)
    assert (status, body) == (200, data)
    assert headers["content-type"] == "image/jpeg" and headers["content-length"] == str(size)
    head = ask(cluster, "/" + name, "HEAD")
    assert head[0] == 200 and head[1]["content-length"] == str(size) and head[1]["etag"] == headers["etag"]


def test_ranges_and_conditions(cluster, tmp_path):
    name = "/" + upload(cluster, tmp_path, b"0123456789", "txt")
    status, headers, body = ask(cluster, name, Range="bytes=2-5")
    assert (status, body, headers["content-range"]) == (206, b"2345", "bytes 2-5/10")
    assert ask(cluster, name, Range="bytes=20-")[0] == 416
    etag, modified = headers["etag"], headers["last-modified"]
    assert ask(cluster, name, **{"If-None-Match": etag})[0] == 304
    assert ask(cluster, name, **{"If-Modified-Since": modified})[0] == 304
    assert ask(cluster, name, **{"If-Match": '"00000000000000000000000000000000"'})[0] == 412


def test_the_old_name_is_offered_for_saving(cluster, tmp_path):
    name = "/" + upload(cluster, tmp_path, b"x", "pdf")
    headers = ask(cluster, name + "?filename=my%20%22paper%22.pdf")[1]
    assert headers["content-disposition"] == 'attachment; filename="my _paper_.pdf"'
    assert headers["content-type"] == "application/pdf"


def test_what_was_deleted_or_never_was_is_not_there(cluster, tmp_path):
    name = upload(cluster, tmp_path, b"y" * 300_000)
    assert ask(cluster, "/" + name)[0] == 200
    dfs(cluster, "delete", name)
    assert ask(cluster, "/" + name)[0] == 404
    assert ask(cluster, "/group1/M00/EF/A9/wKgBCmVT8QCAKlt8AAAADevmxuY731.txt")[0] == 404


def test_an_appender_is_served_as_long_as_it_is_now(cluster, tmp_path):
    file = tmp_path / "log.txt"
    file.write_bytes(b"one ")
    name = dfs(cluster, "upload", "--appender", file)
    assert ask(cluster, "/" + name)[2] == b"one "
    file.write_bytes(b"two")
    dfs(cluster, "append", name, file)
    assert ask(cluster, "/" + name)[2] == b"one two"


def test_only_get_and_head_and_only_unsigned(cluster, tmp_path):
    name = upload(cluster, tmp_path, b"z")
    assert ask(cluster, "/" + name, "DELETE")[0] == 404  # NoSuchBucket: S3's word for it
    s3 = cluster.boto3()
    with pytest.raises(s3.exceptions.NoSuchBucket):
        s3.get_object(Bucket="group1", Key=name.split("/", 1)[1])


def test_an_object_of_s3_has_a_name_too(cluster):
    s3 = cluster.boto3()
    s3.create_bucket(Bucket="bucket")
    s3.put_object(Bucket="bucket", Key="k.png", Body=b"picture")
    name = s3.head_object(Bucket="bucket", Key="k.png")["ResponseMetadata"]["HTTPHeaders"]["x-dfs-file-id"]
    assert ask(cluster, "/" + name)[2] == b"picture"


def token(name, ts, group=False):
    text = name if group else name.split("/", 1)[1]
    return hashlib.md5(f"{text}{SECRET}{ts}".encode()).hexdigest()


def test_a_token_is_asked_for_where_the_group_has_a_secret(guarded, tmp_path):
    name = upload(guarded, tmp_path, b"guarded")
    now = int(time.time())

    def status(ts, given):
        return ask(guarded, f"/{name}?ts={ts}&token={given}")[0]

    assert status(now, token(name, now)) == 200
    assert status(now, token(name, now, group=True)) == 200
    assert status(0, token(name, 0)) == 200  # never ends
    assert status(now - 50, token(name, now - 50)) == 200
    assert status(now - 200, token(name, now - 200)) == 403
    assert status(now, token(name, now + 1)) == 403
    assert status(now, token(name, now)[:-1]) == 403
    assert status("x", token(name, "x")) == 403
    assert ask(guarded, "/" + name)[0] == 403


def test_without_the_setting_there_is_no_such_thing(fresh_cluster, tmp_path):
    name = upload(fresh_cluster, tmp_path, b"closed")
    assert ask(fresh_cluster, "/" + name)[0] == 404
