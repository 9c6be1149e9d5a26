# SPDX-License-Identifier: Apache-2.0
"""movers - a group, a store path of its servers or a server is drained, and what is there moves away, and comes back later.

One place at a time, since there are two groups: it is drained, `dfs admin rebalance` and `s3gw admin rebalance` run for a
while, are stopped, killed or go on to their end, and the place takes new files again. All of it may fail at any time while
there is trouble, and is tried again; when all is quiet, it has to succeed.
"""
import collections
import os
import random
import re
import subprocess
import threading

from arena import GROUPS, MEMBERS, PATHS
from cluster import sanitizer_env, wait_until
from s3cluster import CommandFailed

DONE_S = 120  # of the rest of a rebalance, when nobody writes
AGAIN_S = 0.3


class Mover(threading.Thread):
    def __init__(self, arena, seed):
        super().__init__(name="mover", daemon=True)
        self.arena, self.random = arena, random.Random(seed)
        self.counts = collections.Counter()
        self.stopping, self.drained, self.native, self.error = threading.Event(), None, None, None
        self.refused = None  # why a gateway did not do it, the last time

    def fresh(self):
        """Threads run once: another one that goes on."""
        m = Mover(self.arena, self.random.random())
        m.counts = self.counts
        return m

    def run(self):
        try:
            while not self.stopping.is_set():
                self.one()
        except Exception as e:  # noqa: BLE001 - reported by the torture's thread
            self.error = e

    def choose(self):
        """What is drained: words of `dfs admin drain`."""
        group = f"group{self.random.randint(1, GROUPS)}"
        return group, *self.random.choice([(), (), (f"M{self.random.randrange(PATHS):02}",),
                                           (f"127.0.{group[5:]}.{self.random.randint(1, MEMBERS)}",)])

    def one(self):
        words = self.choose()
        self.drained = words  # from now on it may be
        if not self.insist("drain", words):
            return
        self.counts[f"drained {('group', 'path' if words[-1][0] == 'M' else 'server')[len(words) - 1]}"] += 1
        if len(words) == 1 or words[1][0] == "M":
            self.move("/".join(words))
        else:
            self.stopping.wait(self.random.uniform(0.5, 4))
        if not self.stopping.is_set() and self.insist("undrain", words):
            self.drained = None

    def insist(self, verb, words):
        """False: it did not succeed until the trouble's end."""
        while not self.stopping.is_set():
            if self.admin(verb, words):
                return True
            self.stopping.wait(AGAIN_S)
        return False

    def admin(self, verb, words):
        try:
            done = self.arena.dfs("admin", verb, *words)
        except subprocess.TimeoutExpired:  # of who stands still
            return False
        assert done.returncode in (0, 1, 3), done
        return done.returncode == 0 or (done.returncode == 3 and verb == "drain" and len(words) > 1)  # "not yet" of a server

    def move(self, place):
        """Both kinds of files, until somebody has had enough."""
        self.begin_native(place)
        for _ in range(self.random.randint(1, 6)):
            self.begin_objects(place)
            if self.stopping.wait(self.random.uniform(0.3, 4)):
                return
            if self.random.random() < 0.2:
                self.end_native(kill=True)
                self.begin_native(place)
        self.end_native(kill=self.random.random() < 0.5)
        if self.random.random() < 0.5:
            stopped = self.objects("stop")
            self.counts["objects moved"] += stopped.get("moved", 0) if stopped else 0

    def begin_native(self, place):
        self.native = subprocess.Popen(self.arena.command("admin", "rebalance", place), stdout=subprocess.PIPE,
                                       stderr=subprocess.DEVNULL, text=True, env=sanitizer_env(os.environ))

    def end_native(self, kill=False):
        """Its exit status, of one that has ended by itself."""
        if kill:
            self.native.kill()
        elif self.native.poll() is None:
            self.native.terminate()
        said = re.findall(r": (\d+) files, ", self.native.communicate()[0])
        self.counts["native moved"] += int(said[-1]) - int(said[0]) if said else 0
        return self.native.returncode

    def begin_objects(self, place):
        """The job is forgotten by a gateway that takes over, so it is ordered again and again."""
        state = self.objects()
        if state and place != self.arena.default_group and (state["state"] != "under way" or state["group"] != place):
            self.objects("start", place)

    def objects(self, *words):
        """What whoever serves says of its job, or None."""
        for gateway in self.arena.gateways:
            self.arena.ask(gateway)
            try:
                return self.arena.admin("rebalance", *words)["rebalance"]
            except (CommandFailed, OSError, subprocess.TimeoutExpired) as e:  # it is down, a standby, or refuses
                self.refused = e
        return None

    def check(self):
        if self.error:
            raise self.error

    def stop(self):
        """What is drained stays so, until finish()."""
        self.stopping.set()
        self.join(120)
        assert not self.is_alive(), "the mover hangs"
        self.check()

    def finish(self):
        """All is quiet: what was begun comes to its end, or is given up; and all places take files again."""
        moves = self.native and self.native.returncode is None
        place = "/".join(self.drained) if moves else None
        if moves and self.random.random() < 0.5:
            self.complete(place)
        elif moves:
            self.end_native()
        if self.drained:
            wait_until(f"{self.drained} to take files again", lambda: self.admin("undrain", self.drained))
            self.drained = None

    def complete(self, place):
        def native_done():
            if self.native.poll() is not None and self.end_native() != 0:  # it met with trouble
                self.begin_native(place)
            return self.native.returncode == 0

        def objects_done():
            state = self.objects()
            if state and state["state"] == "done" and state["group"] == place:
                self.counts["objects moved"] += state["moved"]
                return True
            self.begin_objects(place)
            return False
        self.objects("stop")  # one that is done may have been done before the last objects came
        self.begin_objects(place)
        if place != self.arena.default_group:
            try:
                wait_until(f"the objects to have left {place}", objects_done, DONE_S)
            except AssertionError as late:
                raise AssertionError(f"{late}: {self.objects()}, refused: {self.refused}") from None
        wait_until(f"FastDFS clients' files to have left {place}", native_done, DONE_S)
        self.counts["completed"] += 1
