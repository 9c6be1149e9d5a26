# SPDX-License-Identifier: Apache-2.0
"""faults - set the clock of our servers, let their disks fail, wait or refuse, while they run (fault_shim.c)."""
import os
import pathlib
import struct
import subprocess

from cluster import BUILD, wait_until

SHIM = pathlib.Path(__file__).with_name("fault_shim.c")
CLOCK, HOLD, ERROR, HELD, FAILED, WHERE, READS, DELAY, REFUSE, SIZE = 0, 8, 12, 16, 20, 24, 248, 252, 256, 264


class Faults:
    """One block of memory shared with every server that was started with env()."""

    def __init__(self, folder):
        self.path = folder / "faults"
        self.path.write_bytes(bytes(SIZE))
        self.file = open(self.path, "r+b", buffering=0)
        self.library = folder / "fault_shim.so"
        subprocess.run(["cc", "-O1", "-Wall", "-Werror", "-shared", "-fPIC", "-o", str(self.library), str(SHIM)],
                       check=True)

    def env(self):
        preload = str(self.library)
        if "san" in BUILD.name:  # a sanitizer's runtime wants to be the first
            runtime = "libasan.so" if "asan" in BUILD.name else "libtsan.so"
            found = subprocess.run(["cc", f"-print-file-name={runtime}"], check=True, capture_output=True, text=True)
            preload = f"{found.stdout.strip()} {preload}"
        return {"LD_PRELOAD": preload, "S3GW_FAULTS": str(self.path)}

    def _put(self, at, data):
        os.pwrite(self.file.fileno(), data, at)

    def _count(self, at):
        return struct.unpack("=i", os.pread(self.file.fileno(), 4, at))[0]

    def clock(self, seconds):
        """How far the servers' wall clock is ahead of ours."""
        self._put(CLOCK, struct.pack("=q", seconds * 1000))

    def syncs(self, where, hold=False, error=0, delay=0):
        """From now on syncs of files with @where in their path wait (until the next call), fail, or take @delay
        seconds longer."""
        self._put(HOLD, struct.pack("=ii", hold, error))
        self._put(DELAY, struct.pack("=i", int(delay * 1000)))
        self._put(WHERE, where.encode().ljust(READS - WHERE, b"\0"))

    def reads(self, where, error):
        """From now on pread() of files with @where in their path fails."""
        self.syncs(where)
        self._put(READS, struct.pack("=i", error))

    def entries(self, where, error):
        """From now on no file or directory with @where in its path is made, removed, renamed or opened to be written."""
        self.syncs(where)
        self._put(REFUSE, struct.pack("=i", error))

    def clear(self):
        self.syncs("")
        self._put(READS, bytes(4))
        self._put(REFUSE, bytes(4))

    def wait_held(self, count=1):
        wait_until(f"{count} syncs to be held", lambda: self._count(HELD) >= count)

    def failed(self):
        return self._count(FAILED)
