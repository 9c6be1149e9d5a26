# SPDX-License-Identifier: Apache-2.0
"""boto3 as Debian packages it."""
import ssl

import boto3_steps
import pytest
from clientlib import ODD_KEYS


@pytest.fixture
def client(either):
    return either.boto3(signature_version="s3v4")


def test_odd_keys_round_trip(client):
    # Debian's botocore folds /./ and /../ in a path before it signs: the newest one is asked those
    boto3_steps.odd_keys_round_trip(client, ODD_KEYS)


def test_transfers_in_parts(client):
    boto3_steps.transfers(client)


def test_metadata_and_conditions(client):
    boto3_steps.metadata_and_conditions(client)


def test_presigned_urls(client, either):
    context = ssl.create_default_context(cafile=str(either.certificate)) if either.tls else None
    boto3_steps.presigned(client, context)


def test_presigned_urls_of_signature_version_2(either):
    context = ssl.create_default_context(cafile=str(either.certificate)) if either.tls else None
    boto3_steps.presigned(either.boto3(signature_version="s3"), context)
    boto3_steps.presigned_options(either.boto3(), context)


def test_checksums(client):
    boto3_steps.checksums(client)


def test_encryption(client):
    boto3_steps.encryption(client)
