"""The object store's pod: its very command, run here, lets in the key pair of the secret and nobody else."""

import os
import subprocess
import time
import urllib.error
import urllib.request

import boto3
import pytest
from botocore.exceptions import ClientError

from pipelines.local.seaweedfs import clean, find_weed, free_ports
from tests.manifests.kubectl import ROOT, build, named


def wait_for(url: str) -> None:
    """Until the probe of the manifest would be content."""
    end = time.monotonic() + 60
    while True:
        try:
            return urllib.request.urlopen(url, timeout=5).close()
        except OSError:
            assert time.monotonic() < end
            time.sleep(0.1)


def listed(endpoint: str, key: str, secret: str) -> list[str]:
    client = boto3.Session(key, secret, region_name="us-east-1").client("s3", endpoint_url=endpoint)
    return [bucket["Name"] for bucket in client.list_buckets()["Buckets"]]


def test_only_the_secrets_key_pair_gets_in(tmp_path):
    pod = named(build(ROOT / "manifests" / "overlays" / "kind"), "StatefulSet", "seaweedfs")["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    ports = free_ports()
    replaced = ("-dir=", "-ip.bind=", "-s3.port=")  # what a pod has to itself: its disk, its address and its ports
    command = [
        find_weed() or "weed",
        *(word for word in container["command"][1:] if not word.startswith(replaced)),
        f"-dir={tmp_path}",
        "-ip.bind=127.0.0.1",
        "-filer.localSocket=filer.sock",
        "-s3.localSocket=s3.sock",
        *(f"-{name}={port}" for name, port in ports.items()),
    ]
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "TMPDIR": str(tmp_path),
        "AWS_ACCESS_KEY_ID": "gleaner",
        "AWS_SECRET_ACCESS_KEY": "right" * 8,
    }
    endpoint = f"http://127.0.0.1:{ports['s3.port']}"
    with (
        (tmp_path / "log").open("wb") as log,
        subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=log, stderr=log) as server,
    ):
        try:
            wait_for(endpoint + container["readinessProbe"]["httpGet"]["path"])
            end = time.monotonic() + 30
            while "gleaner" not in listed(endpoint, "gleaner", "right" * 8) and time.monotonic() < end:
                time.sleep(0.1)
            assert listed(endpoint, "gleaner", "right" * 8) == ["gleaner"]
            with pytest.raises(ClientError, match="SignatureDoesNotMatch"):
                listed(endpoint, "gleaner", "wrong")
            with pytest.raises(urllib.error.HTTPError, match="403"):
                urllib.request.urlopen(f"{endpoint}/gleaner/")
        finally:
            server.kill()
            server.wait()
            clean(tmp_path, ports)
