# SPDX-License-Identifier: Apache-2.0
"""Racing writers, deleters and switches of versioning under lifecycle rules with a day of one second."""
import os
import secrets

import pytest
from cluster import a_whole_pass, running
from ledger import Load

ROUNDS, CHANGES = 3, 300


@pytest.fixture
def short_days():
    with running("lifecycle_seconds_per_day = 1\n") as c:
        yield c


def test_versions_are_what_they_must_be_whoever_came_first(short_days):
    seed = os.environ.get("S3GW_SEED") or secrets.token_hex(4)
    print(f"seed {seed}")
    load = Load(short_days, seed, writers=0, readers=0, races=2)
    load.start()
    for round_number in range(1, ROUNDS + 1):
        load.reach(CHANGES * round_number + 1)
        removed = a_whole_pass(short_days)
        load.stop()
        load.verify()
        print(f"{load.totals()}, a pass: {removed}")
        if round_number < ROUNDS:
            load.restart_writers()
    totals = load.totals()
    assert totals["failed"] == 0, f"{totals}: {[r.last_failure for r in load.races if r.done['failed']]}"
    assert all(n > 0 for what, n in totals.items() if what.startswith("raced")), totals
    load.delete_everything()
