# SPDX-License-Identifier: Apache-2.0
"""The AWS SDK for JavaScript v3, newest from npm: awsjs_steps.mjs runs under Node.js."""
import json
import pathlib

from clientlib import NODE_MODULES, run

STEPS = pathlib.Path(__file__).with_name("awsjs_steps.mjs")


def test_everything_the_sdk_does(either, tmp_path):
    assert NODE_MODULES.is_dir(), "build/node_modules is missing: run make check, or tests/integration/clients/install"
    # Node.js looks for modules above the program's own folder
    program = NODE_MODULES.parent / "awsjs_steps.mjs"
    program.write_bytes(STEPS.read_bytes())
    env = either.client_env(tmp_path)
    if either.tls:
        env["NODE_EXTRA_CA_CERTS"] = str(either.certificate)
    settings = json.dumps({"endpoint": either.endpoint, "region": either.region})
    assert run(["node", str(program), settings], env).stdout.strip() == b"ok"
