# SPDX-License-Identifier: Apache-2.0
"""twogroups - a standalone server and a second group: one more storage, known to the gateway by its socket."""
from cluster import Cluster, free_port, wait_until
from nativecluster import Program


class TwoGroups(Cluster):
    """group1 is the standalone's own; group2 holds what @settings places there, class COLD among it."""

    def __init__(self, settings, **kw):
        super().__init__(**kw)
        place = self.folder / "second"
        place.mkdir()
        self.tracker_port = free_port(["127.0.0.1"])
        conf = place / "conf"
        conf.write_text("\n".join([
            "group_name = group2", "bind_addr = 127.0.0.1", "port = 0", f"base_path = {place}",
            f"store_path0 = {place}", f"tracker_server = 127.0.0.1:{self.tracker_port}",
            f"socket_path = {place}/sock", ""]))
        self.second = Program("dfs_storaged", conf, place)
        config = self.folder / "s3gw.conf"
        # What belongs into a group lies there or nowhere, so that tests can say where it lies.
        config.write_text(f"storage = group2={place}/sock\nspread_buckets = no\n{settings}")
        self.args += ["--config", str(config), "--tracker-port", str(self.tracker_port)]

    def start(self, wait=True):
        super().start(wait=False)
        if not self.second.running():
            self.second.start().wait_ready()
        if wait:
            self.wait_ready()
            self.wait_group2()
        return self

    def wait_group2(self):
        """Until writes to group2 work: the gateway looks at the trackers about once a second."""
        s3 = self.boto3()
        s3.create_bucket(Bucket="first-write")

        def works():
            try:
                return s3.put_object(Bucket="first-write", Key="k", Body=b"x", StorageClass="COLD")
            except s3.exceptions.ClientError:
                return None
        wait_until("group2 to take writes", works)

    def remove(self):
        self.second.kill()
        super().remove()
