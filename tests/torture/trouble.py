# SPDX-License-Identifier: Apache-2.0
"""trouble - what happens to servers, disks, clocks and links: KINDS, of which some at a time are drawn."""
import contextlib
import errno
import shutil

from arena import GROUPS, MEMBERS, PATHS, TRACKERS


class Fault:
    """One kind of trouble: begin() makes it and returns what it has hit, end() takes it away again. What is in @busy, the
    numbers of groups and gateways, has been hit by another one."""

    loses = False  # a disk
    needs = "group"  # what must not be in trouble yet: one group, one gateway, all gateways, or None

    def __init__(self, arena, rng, busy):
        self.arena, self.rng, self.busy = arena, rng, busy

    def free(self):
        gateways = [g for g in self.arena.gateways if g not in self.busy]
        return {"group": any(g not in self.busy for g in range(1, GROUPS + 1)), "gateway": gateways,
                "gateways": gateways == self.arena.gateways, None: True}[self.needs]

    def storage(self):
        """A storage of a group that is not in trouble."""
        g, m = self.rng.choice([k for k in sorted(self.arena.storages) if k[0] not in self.busy])
        self.busy.add(g)
        self.group, self.program = g, self.arena.storages[g, m]
        return self.program

    def gateway(self):
        self.program = self.rng.choice([g for g in self.arena.gateways if g not in self.busy])
        self.busy.add(self.program)
        if not self.program.running():  # no index could be made, for want of a group: systemd starts it again, too
            self.program.start().wait_ready()
        return self.program

    def begin(self):
        raise NotImplementedError

    def end(self):
        if not self.program.running():
            self.program.start().wait_ready()


class KillStorage(Fault):
    def begin(self):
        self.storage().kill()
        return self.program.folder.name


class KillTracker(Fault):
    needs = None

    def begin(self):
        self.program = self.rng.choice(self.arena.trackers)
        self.program.kill()
        return self.program.folder.name


class KillTrackers(Fault):
    """The majority."""

    needs = None

    def begin(self):
        self.programs = self.rng.sample(self.arena.trackers, TRACKERS // 2 + 1)
        for program in self.programs:
            program.kill()
        return [p.folder.name for p in self.programs]

    def end(self):
        for program in self.programs:
            if not program.running():
                program.start().wait_ready()


class KillGateway(Fault):
    needs = "gateway"

    def begin(self):
        self.gateway().kill()
        return self.program.folder.name


class RestartGateway(KillGateway):
    """As for an upgrade: back before its lease has run out, or not."""

    def begin(self):
        try:
            self.gateway().stop()
        except AssertionError:
            if not self.program.log().splitlines()[-1].startswith("s3gw serve: rebuilding the key index "):
                raise  # else it has just ended by itself, for want of a group
        return self.program.folder.name


class FreezeGateway(KillGateway):
    """Goes on as if nothing had happened, often when another one has taken over."""

    def begin(self):
        self.gateway().freeze()
        return self.program.folder.name

    def end(self):
        others = [g for g in self.arena.gateways if g is not self.program and g not in self.busy]
        if others and self.rng.random() < 0.7:
            with contextlib.suppress(AssertionError):  # it cannot, what else is wrong has not ended
                self.arena.wait_serving(*others, seconds=8)
        self.program.thaw()


class KillGateways(KillTrackers):
    needs = "gateways"

    def begin(self):
        self.programs = list(self.arena.gateways)
        self.busy.update(self.programs)
        for program in self.programs:
            program.kill()
        return [p.folder.name for p in self.programs]


class KillGroup(KillTrackers):
    """All its members at one moment, as power does."""

    needs = "group"

    def begin(self):
        g = self.rng.choice([g for g in range(1, GROUPS + 1) if g not in self.busy])
        self.busy.add(g)
        self.programs = [self.arena.storages[g, m] for m in range(1, MEMBERS + 1)]
        for program in self.programs:
            program.process.kill()
        for program in self.programs:
            program.kill()
        return f"group{g}"


class FreezeStorage(Fault):
    def begin(self):
        self.storage().freeze()
        return self.program.folder.name

    def end(self):
        self.program.thaw()


class FreezeTracker(FreezeStorage):
    needs = None

    def begin(self):
        self.program = self.rng.choice([t for t in self.arena.trackers if t.running()])
        self.program.freeze()
        return self.program.folder.name


class Isolate(Fault):
    """From everybody else, in both directions or in one."""

    def begin(self):
        host = self.arena.address(self.storage())
        others = {"127.0.0.1", *(self.arena.address(p) for p in self.arena.storages.values())} - {host}
        ways = self.rng.choice([(True, True), (True, False), (False, True)])
        for other in sorted(others):
            for one, two, way in ((host, other, ways[0]), (other, host, ways[1])):
                if way:
                    self.arena.cut(one, two)
        return f"{host} {'out ' * ways[0]}{'in' * ways[1]}"

    def end(self):
        self.arena.mend()


class CutPair(Isolate):
    """Two members do not see each other; everybody else sees both."""

    def begin(self):
        host = self.arena.address(self.storage())
        other = self.rng.choice([self.arena.address(p) for (g, _), p in sorted(self.arena.storages.items())
                                 if g == self.group and p is not self.program])
        self.arena.cut(host, other)
        self.arena.cut(other, host)
        return f"{host} {other}"


class Clock(Fault):
    """An hour off, and back."""

    def begin(self):
        program = self.rng.choice([*self.arena.trackers, self.storage()])
        self.fault, by = self.arena.faults[program], self.rng.choice([-3600, 3600])
        self.fault.clock(by)
        return f"{program.folder.name} {by:+d} s"

    def end(self):
        self.fault.clock(0)


class Disk(Fault):
    """Slow, full, or failing."""

    def begin(self):
        self.fault = self.arena.faults[self.storage()]
        where = f"path{self.rng.randrange(PATHS)}/"
        kind, how = self.rng.choice([("slow", {"delay": 3}), ("full", {"error": errno.ENOSPC}), ("fails", {"error": errno.EIO})])
        self.fault.syncs(f"{self.program.folder.name}/{where}", **how)
        return f"{self.program.folder.name}/{where} {kind}"

    def end(self):
        self.fault.clear()


class LoseDisk(Fault):
    """One of its disks is replaced by an empty one."""

    loses = True

    def begin(self):
        self.storage().kill()
        self.wipe(self.rng.randrange(PATHS))
        self.program.start().wait_ready()
        return self.program.folder.name

    def wipe(self, path):
        place = self.program.folder / f"path{path}"
        shutil.rmtree(place)
        place.mkdir()

    def end(self):
        pass  # it refills by itself


class LoseServer(LoseDisk):
    """All of its disks, and what it knew."""

    def wipe(self, path):
        for each in range(PATHS):
            super().wipe(each)
        shutil.rmtree(self.program.folder / "data")


KINDS = [KillStorage, KillStorage, KillTracker, KillTrackers, KillGroup, FreezeStorage, FreezeTracker, Isolate, Isolate,
         CutPair, Clock, Disk, Disk, LoseDisk, LoseServer, KillGateway, KillGateway, RestartGateway, FreezeGateway,
         FreezeGateway, KillGateways]
