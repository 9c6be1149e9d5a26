# SPDX-License-Identifier: Apache-2.0
"""The newest boto3 from PyPI, with all its defaults (CRC trailers on every upload)."""
import json
import os
import pathlib

import pytest
from clientlib import ODD_KEYS, run, venv_python

STEPS = pathlib.Path(__file__).with_name("boto3_steps.py")


@pytest.mark.parametrize("step", ["odd_keys_round_trip", "transfers", "metadata_and_conditions", "presigned",
                                  "presigned_options", "checksums", "encryption"])
def test_step(either, step):
    settings = dict(endpoint=either.endpoint, region=either.region, access_key=either.access_key,
                    secret_key=either.secret_key, certificate=str(either.certificate) if either.tls else None,
                    step=step, keys=ODD_KEYS)
    env = {k: v for k, v in os.environ.items() if not k.startswith("AWS_")}
    assert run([venv_python(), STEPS, json.dumps(settings)], env).stdout.strip() == b"ok"
