"""The files of the base image, gathered from this machine."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Iterable
from pathlib import Path

from tests.docker_engine.parts import program

VERSION = f"python{sys.version_info.major}.{sys.version_info.minor}"
PREFIX = Path(sys.base_prefix)
HOME = PREFIX if PREFIX in (Path("/usr"), Path("/usr/local")) else Path("/usr/local")
"""Where Python lies in the image; the distribution's own looks for its parts under /usr alone."""
MULTIARCH = sysconfig.get_config_var("MULTIARCH") or "x86_64-linux-gnu"
LIBRARIES = Path("/usr/lib") / MULTIARCH
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
LEFT_OUT = ("__pycache__", "site-packages", "dist-packages", "test", "idlelib", "tkinter", "turtledemo", "lib2to3")
MORE_LIBRARIES = [
    *("libstdc++.so.6", "libgcc_s.so.1", "libgomp.so.1"),  # wheels expect these of any system
    *("libnss_dns.so.2", "libnss_files.so.2", "libresolv.so.2"),  # names of hosts; loaded by name, not linked
    *("libpthread.so.0", "libdl.so.2", "librt.so.1", "libutil.so.1"),
]
TEXTS = {
    "etc/passwd": "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/bin/false\n",
    "etc/group": "root:x:0:\nnogroup:x:65534:\n",
    "etc/nsswitch.conf": "hosts: files dns\n",
    "etc/pip.conf": f"[global]\ncert = {CERTIFICATES}\ndisable-pip-version-check = true\nroot-user-action = ignore\n",
    "etc/ld.so.conf": f"/usr/local/lib\n{LIBRARIES}\n",
}
FOLDERS = "dev etc/ssl/certs home proc root run sys tmp usr/bin usr/lib64 usr/local/bin usr/local/lib usr/sbin var/tmp"


def watched() -> list[Path]:
    """Files of this machine whose change makes another image."""
    return [CERTIFICATES, Path(program("busybox")), Path(program("bash"))]


def fill(root: Path) -> None:
    """Put a small system with Python under ``root``."""
    _folders(root)
    _shell(root)
    _python(root)
    _libraries(root)
    _tls(root)
    for name, text in TEXTS.items():
        (root / name).write_text(text)
    shutil.copy("/etc/os-release", root / "etc")
    _pip(root)
    subprocess.run([program("ldconfig"), "-r", root], check=True, capture_output=True)


def _folders(root: Path) -> None:
    for name in [*FOLDERS.split(), str(LIBRARIES.relative_to("/"))]:
        (root / name).mkdir(parents=True)
    for name in ("bin", "sbin", "lib", "lib64"):
        (root / name).symlink_to(f"usr/{name}")
    for name in ("tmp", "var/tmp"):
        (root / name).chmod(0o1777)


def _shell(root: Path) -> None:
    busybox = program("busybox")
    shutil.copy(busybox, root / "usr/bin/busybox")
    shutil.copy(program("bash"), root / "usr/bin/bash")
    listed = subprocess.run([busybox, "--list"], capture_output=True, text=True, check=True).stdout.split()
    for name in set(listed) - {"busybox", "bash"}:
        (root / "usr/bin" / name).symlink_to("busybox")


def _python(root: Path) -> None:
    home = root / HOME.relative_to("/")
    shutil.copy(PREFIX / "bin" / VERSION, home / "bin")
    ignore = shutil.ignore_patterns(*LEFT_OUT, "config-*", "_tkinter*.so", "EXTERNALLY-MANAGED")
    shutil.copytree(PREFIX / "lib" / VERSION, home / "lib" / VERSION, symlinks=False, ignore=ignore)
    for library in (PREFIX / "lib").glob("libpython*.so*"):
        shutil.copy(library, home / "lib")
    for name in {"python", "python3", VERSION}:
        link = root / "usr/local/bin" / name
        if not link.exists():
            link.symlink_to(HOME / "bin" / VERSION)


def _libraries(root: Path) -> None:
    programs = [root / "usr/bin/busybox", root / "usr/bin/bash", PREFIX / "bin" / VERSION]
    modules = (PREFIX / "lib" / VERSION / "lib-dynload").glob("*.so")
    named = (LIBRARIES / name for name in MORE_LIBRARIES)
    for path in _linked([*programs, *modules]) | {path for path in named if path.exists()}:
        if path.name.startswith("ld-linux"):
            shutil.copy(path, root / path.relative_to("/"))  # its place is written into every program
        elif not path.name.startswith("libpython"):
            shutil.copy(path, root / LIBRARIES.relative_to("/"))


def _linked(files: Iterable[Path]) -> set[Path]:
    """The libraries that files are linked with, and the loader; a static program has none."""
    done = subprocess.run(["ldd", *files], capture_output=True, text=True, check=False)
    return {Path(path) for path in re.findall(r"(/\S+) \(0x", done.stdout)}


def _tls(root: Path) -> None:
    """The CA bundle, and what OpenSSL looks for by name: without it other programs' S3 clients abort."""
    shutil.copy(CERTIFICATES, root / CERTIFICATES.relative_to("/"))
    shutil.copy("/etc/ssl/openssl.cnf", root / "etc/ssl")
    shutil.copytree(LIBRARIES / "ossl-modules", root / LIBRARIES.relative_to("/") / "ossl-modules")
    ssl = root / "usr/lib/ssl"
    ssl.mkdir()
    for name in ("certs", "openssl.cnf"):
        (ssl / name).symlink_to(f"/etc/ssl/{name}")
    (ssl / "cert.pem").symlink_to(CERTIFICATES)  # one file instead of a folder of hashed names


def _pip(root: Path) -> None:
    site = "usr/lib/python3/dist-packages" if Path("/usr") == HOME else f"usr/local/lib/{VERSION}/site-packages"
    (root / site).mkdir(parents=True)
    bundled = [*(PREFIX / "lib" / VERSION / "ensurepip/_bundled").glob("*.whl")]
    bundled = bundled or [*Path("/usr/share/python-wheels").glob("*.whl")]
    assert any(wheel.name.startswith("pip-") for wheel in bundled), f"no pip beside {PREFIX}: install python3-venv"
    for wheel in bundled:
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(root / site)
    pip = root / "usr/local/bin/pip"
    pip.write_text('#!/bin/sh\nexec /usr/local/bin/python -m pip "$@"\n')
    pip.chmod(0o755)
    (pip.parent / "pip3").symlink_to("pip")
