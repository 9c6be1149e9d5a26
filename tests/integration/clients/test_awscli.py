# SPDX-License-Identifier: Apache-2.0
"""aws-cli as Debian packages it, and the newest from PyPI (default checksums and trailers)."""
import awscli
import pytest
from clientlib import VENV

pytestmark = pytest.mark.long


@pytest.fixture(scope="module", params=["/usr/bin/aws", str(VENV / "aws")], ids=["old", "new"])
def program(request):
    return request.param


@pytest.fixture
def aws(program, either, tmp_path):
    return awscli.Aws(program, either, tmp_path)


def test_buckets_are_made_and_removed(aws):
    awscli.make_and_remove_bucket(aws)


def test_a_tree_goes_there_and_back(aws, tmp_path):
    awscli.sync_a_tree_there_and_back(aws, tmp_path)


def test_large_files_copies_and_presigned_urls(aws, tmp_path, either):
    awscli.multipart_copy_and_presign(aws, tmp_path, either)


def test_encryption(aws, tmp_path):
    awscli.encrypts_three_ways(aws, tmp_path)


def test_pipes_and_moves(aws):
    awscli.streams_through_pipes(aws)


def test_the_api_commands(aws, tmp_path):
    awscli.the_api_commands(aws, tmp_path)


def test_big_listings(program, cluster, tmp_path):
    awscli.lists_many(awscli.Aws(program, cluster, tmp_path), cluster)
