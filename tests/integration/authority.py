# SPDX-License-Identifier: Apache-2.0
"""authority - certificate authorities and the certificates of cluster members, made with openssl."""
import ssl
import subprocess

NEW_KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]


def openssl(*words):
    subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True)


class Authority:
    """Files in a folder of its own; conf_lines() are what goes into a program's settings."""

    def __init__(self, folder, name="cluster"):
        self.folder = folder / f"authority-{name}"
        self.folder.mkdir()
        self.certificate, self.key = self.folder / "ca.crt", self.folder / "ca.key"
        openssl("req", "-x509", *NEW_KEY, "-days", 2, "-subj", f"/CN={name}", "-keyout", self.key, "-out", self.certificate)

    def member(self, name, anew=False):
        """(certificate, key), made once, or another one in its place."""
        cert, key, request = (self.folder / f"{name}.{suffix}" for suffix in ("crt", "key", "csr"))
        if anew or not cert.exists():
            openssl("req", *NEW_KEY, "-subj", f"/CN={name}", "-keyout", key, "-out", request)
            openssl("x509", "-req", "-days", 2, "-in", request, "-CA", self.certificate, "-CAkey", self.key,
                    "-CAcreateserial", "-out", cert)
        return cert, key

    def context(self, name):
        """For Python's ssl: a caller with that member's certificate."""
        context = ssl.create_default_context(cafile=self.certificate)
        context.minimum_version, context.check_hostname = ssl.TLSVersion.TLSv1_3, False
        context.load_cert_chain(*self.member(name))
        return context

    def conf_lines(self, name, mode=None):
        cert, key = self.member(name)
        lines = f"cluster_tls_cert = {cert}\ncluster_tls_key = {key}\ncluster_tls_ca = {self.certificate}\n"
        return lines + (f"cluster_tls = {mode}\n" if mode else "")
