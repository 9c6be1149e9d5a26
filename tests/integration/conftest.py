# SPDX-License-Identifier: Apache-2.0
"""Fixtures of all integration tests, and the closing line that tests/run-check reads."""
import pathlib
import secrets
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE / "clients")]

from cluster import Cluster, running  # noqa: E402


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    setattr(item, "rep_" + report.when, report)
    if report.failed:
        for name, value in getattr(item, "funcargs", {}).items():
            if callable(getattr(value, "tail", None)):  # Cluster, S3Cluster, NativeCluster ...
                report.sections.append((f"servers of {name}", value.tail()))


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """
    What pytest-xdist's loadgroup gives to one worker: the tests of a file that share a fixture of it, as a server, each kind
    of it apart (over HTTP, over HTTPS). All others go one by one to whoever is free. Long ones come first: one that began
    last would leave the others idle.
    """
    for item in items:
        shared = {name for name, d in item._fixtureinfo.name2fixturedefs.items() if d[-1].scope == "module"}
        if shared:
            which = item.callspec.indices if hasattr(item, "callspec") else {}
            kinds = [f"{name}{which[name]}" for name in sorted(shared & set(which))]
            item.add_marker(pytest.mark.xdist_group("-".join([item.path.stem, *kinds])))
    items.sort(key=lambda item: (not item.get_closest_marker("long"), not item.get_closest_marker("xdist_group")))


@pytest.fixture(scope="module")
def cluster():
    """A server shared by the tests of one file."""
    with running() as c:
        yield c


@pytest.fixture(scope="module")
def tls_cluster():
    with running(tls=True) as c:
        yield c


@pytest.fixture(scope="module", params=["http", "https"])
def either(request):
    """Each test once over HTTP, once over HTTPS."""
    return request.getfixturevalue("cluster" if request.param == "http" else "tls_cluster")


@pytest.fixture
def fresh_cluster():
    """A server of the test's own, to be killed and restarted."""
    c = Cluster()
    try:
        c.start()
        yield c
        if c.process is not None and c.process.poll() is None:
            status = c.stop()
            assert status == 0, f"s3gw ended with status {status}\n{c.tail()}"
    finally:
        c.remove()


@pytest.fixture
def s3(cluster):
    return cluster.boto3()


@pytest.fixture
def bucket(cluster):
    """A new bucket's name."""
    name = "b" + secrets.token_hex(6)
    cluster.boto3().create_bucket(Bucket=name)
    return name


@pytest.fixture
def place(either):
    """A client and a new bucket's name, over HTTP and over HTTPS."""
    name = "b" + secrets.token_hex(6)
    s3 = either.boto3()
    s3.create_bucket(Bucket=name)
    return s3, name


def pytest_terminal_summary(terminalreporter):
    stats = terminalreporter.stats
    passed = len(stats.get("passed", []))
    failed = len(stats.get("failed", [])) + len(stats.get("error", []))
    skipped = len(stats.get("skipped", []))
    for report in stats.get("skipped", []):
        terminalreporter.write_line(f"skipped: {report.nodeid}: {report.longrepr[-1]}")
    terminalreporter.write_line(f"integration: {passed} passed, {failed} failed" +
                                (f", {skipped} skipped" if skipped else ""))
