# SPDX-License-Identifier: Apache-2.0
"""curl --aws-sigv4, and curl without credentials."""
from clientlib import content, run


def curl(cluster, *words, signed=True, data=None):
    cmd = ["/usr/bin/curl", "-sS", "--fail-with-body", "--max-time", "60"]
    if cluster.tls:
        cmd += ["--cacert", str(cluster.certificate)]
    if signed:
        # S3 wants this header signed, and curl before 8.3 does not send it by itself
        cmd += ["--aws-sigv4", f"aws:amz:{cluster.region}:s3", "-u", f"{cluster.access_key}:{cluster.secret_key}",
                "-H", "x-amz-content-sha256: UNSIGNED-PAYLOAD"]
    return run(cmd + list(words), cluster.client_env(), check=False, data=data)


def test_put_get_list_delete(either, tmp_path):
    base = either.endpoint + "/curl-bucket"
    assert curl(either, "-X", "PUT", base).returncode == 0
    (tmp_path / "f").write_bytes(content(300_000))
    put = curl(either, "-T", str(tmp_path / "f"), base + "/obj")
    assert put.returncode == 0, put
    assert curl(either, base + "/obj").stdout == content(300_000)
    assert curl(either, "-r", "100-199", base + "/obj").stdout == content(300_000)[100:200]
    assert b"<Key>obj</Key>" in curl(either, base + "?list-type=2").stdout
    assert curl(either, "-I", base + "/obj").stdout.startswith(b"HTTP/1.1 200")
    assert curl(either, "-X", "DELETE", base + "/obj").returncode == 0
    assert b"NoSuchKey" in curl(either, base + "/obj").stdout
    assert curl(either, "-X", "DELETE", base).returncode == 0


def test_strangers_are_refused_and_health_is_open(either):
    refused = curl(either, either.endpoint + "/", signed=False)
    assert refused.returncode != 0 and b"AccessDenied" in refused.stdout
    assert curl(either, either.endpoint + "/health/live", signed=False).returncode == 0
    assert curl(either, either.endpoint + "/health/ready", signed=False).returncode == 0
