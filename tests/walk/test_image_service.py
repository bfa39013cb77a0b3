"""Images as services, on a real engine behind the real gateway."""

from __future__ import annotations

import asyncio
import io
import json
import tarfile
from base64 import b64encode
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import connect

from mlserve.client import Client, Service
from mlserve.errors import StartFailed
from tests.docker_engine import BASE, Engine, registry
from tests.waiting import until
from tests.walk.test_cli import error, mlserve

pytestmark = pytest.mark.timeout(300)

WEBAPP = Path(__file__).with_name("webapp.py")
IMAGE = "mlserve-test-webapp"
START = ["python3", "/app/webapp.py", "8000"]


@pytest.fixture(scope="module")
def image(docker_engine: Engine) -> Iterator[str]:
    """An image that starts the web app on port 8000."""
    yield baked(docker_engine, IMAGE)
    with closing(docker_engine.client()) as client:
        client.images.remove(IMAGE, force=True)


def baked(engine: Engine, name: str, entrypoint: list[str] | None = None) -> str:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        tar.add(WEBAPP, "app/webapp.py")
    with closing(engine.client()) as client:
        container = client.containers.create(BASE)
        try:
            container.put_archive("/", packed.getvalue())
            container.commit(name, "latest", conf={"Cmd": START, "Entrypoint": entrypoint})
        finally:
            container.remove()
    return name


def wish(*containers: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """A descriptor of these containers."""
    metadata = {"instance": 1, "cpu": 0.5, "memory": 256, "resource": "box", **fields.pop("metadata", {})}
    return {"name": "app", "containers": list(containers), "metadata": metadata, **fields}


def created(client: Client, wished: dict[str, Any]) -> Service:
    return client.services.create(wished).wait(timeout=120)


def asked(service: Service, path: str, **options: Any) -> httpx.Response:
    headers = {"authorization": service.token, **options.pop("headers", {})}
    method = options.pop("method", "GET")
    return httpx.request(method, f"{service.endpoint}{path}", headers=headers, timeout=20, **options)


def told(service: Service, path: str = "/told") -> dict[str, Any]:
    found: dict[str, Any] = asked(service, path).raise_for_status().json()
    return found


def test_an_image_is_a_web_app_behind_its_path(box: Client, image: str) -> None:
    service = created(box, wish({"image": image, "port": 8000, "env": [{"name": "COLOUR", "value": "green"}]}))
    assert told(service, "/deep/path?q=%2F")["path"] == "/deep/path?q=%2F"
    facts = told(service)
    assert facts["headers"]["x-forwarded-prefix"] == "/api/predict/app"
    assert (facts["environment"]["COLOUR"], facts["environment"]["PORT"]) == ("green", "8000")
    assert facts["environment"]["LISTENING_PORT"] == "8000"
    assert facts["uid"] == 65534
    signed = asked(service, "/guestbook", method="POST", data={"who": "Ada"})
    assert (signed.status_code, signed.headers["location"]) == (303, "/api/predict/app/thanks?who=Ada")
    login = asked(service, "/login")
    assert login.headers["set-cookie"] == "sid=1; Path=/api/predict/app; HttpOnly"
    assert asked(service, "", headers={"accept": "text/html"}).status_code == 200, "who sends the token asks for what"
    page = httpx.get(service.endpoint, headers={"accept": "text/html"})
    assert page.headers["location"].endswith("/api/predict/app/")
    events = asked(service, "/events", headers={"accept": "text/event-stream"}).text.split()
    assert events == ["data:", "0", "data:", "1", "data:", "2"]
    asyncio.run(_echoed(service))
    (instance,) = service.reload().to_dict()["instances"]
    assert len(instance["container"]) >= 12


async def _echoed(service: Service) -> None:
    url = service.endpoint.replace("http", "ws", 1) + "/socket"
    async with connect(url, additional_headers={"authorization": service.token}) as socket:
        await socket.send("hello")
        assert await socket.recv() == "HELLO"


@pytest.mark.parametrize(
    "start",
    [
        {"command": "python3 /app/webapp.py $PORT"},
        {"command": "python3 /app/webapp.py ${LISTENING_PORT}"},
        {"script": "export COLOUR=blue; port=$PORT\nexec python3 /app/webapp.py ${port}"},
    ],
)
def test_a_command_or_script_takes_the_place_of_what_the_image_starts(
    box: Client, docker_engine: Engine, image: str, start: dict[str, str]
) -> None:
    other = baked(docker_engine, "mlserve-test-entry", entrypoint=["/bin/false"])
    service = created(box, wish({"image": other, **start}))
    assert told(service)["environment"].get("COLOUR") == ("blue" if "script" in start else None)


def test_containers_share_an_address_and_the_first_with_a_port_answers(box: Client, image: str) -> None:
    beside = {"image": image, "command": "python3 /app/webapp.py 9100"}
    service = created(
        box,
        wish(
            beside,
            {"image": image, "port": 8000, "command": "python3 /app/webapp.py 8000"},
            {"image": image, "port": 9000, "script": "exec python3 /app/webapp.py $PORT", "user": 1000},
        ),
    )
    assert told(service)["environment"]["PORT"] == "8000"
    for port in (9000, 9100):
        assert "a web app" in asked(service, f"/beside?{port}").text, "it reaches the others at its own address"
    assert any(warning["code"] == "port" for warning in service.to_dict()["warnings"])


def test_a_health_check_says_when_it_is_ready(box: Client, image: str) -> None:
    check = {"httpGet": {"path": "/healthy", "port": 8000}, "initialDelaySeconds": 5, "periodSeconds": 3}
    wished = wish({"image": image, "port": 8000, "health_check": check}, metadata={"instance": 2, "cpu": 0.3})
    service = created(box, wished)
    assert service.status == "Running"
    assert {w["pointer"] for w in service.to_dict()["warnings"] if w["code"] == "not-applicable"} == {
        "/containers/0/health_check/initialDelaySeconds", "/containers/0/health_check/periodSeconds",
    }  # fmt: skip
    asked(service, "/fall-ill").raise_for_status()

    def asks_one() -> bool:
        return len({told(service)["environment"]["MLSERVE_INSTANCE"] for _ in range(12)}) == 1

    until(asks_one, "the one that says it is ill is asked no more")


def test_a_private_image_wants_its_login_which_is_never_shown(box: Client, docker_engine: Engine, image: str) -> None:
    with registry() as shop:
        private = f"{shop.address}/team/webapp"
        with closing(docker_engine.client()) as engine:
            engine.images.get(image).tag(private, "1")
            for line in engine.api.push(private, "1", stream=True, decode=True, auth_config=shop.auth):
                assert "error" not in line
            engine.images.remove(f"{private}:1")
        login = b64encode(f"{shop.user}:{shop.password}".encode()).decode()
        with pytest.raises(StartFailed) as refused:
            created(box, wish({"image": f"{private}:1", "port": 8000}, name="stranger"))
        assert "dockerAuth" in f"{refused.value.message} {refused.value.hint}"
        service = created(box, wish({"image": f"{private}:1", "port": 8000}, dockerAuth=login))
        assert told(service)["uid"] == 65534
        assert service.to_dict()["descriptor"]["dockerAuth"] == "***"
        assert login not in json.dumps(service.to_dict())
        with closing(docker_engine.client()) as engine:
            container = engine.containers.get(service.to_dict()["instances"][0]["container"])
            assert login not in json.dumps(container.attrs)


@pytest.fixture
def guarded(docker_engine: Engine, image: str) -> Iterator[str]:
    """The image with a Python that refuses packages beside its own, as those of distributions do."""
    mark = "pathlib.Path(sysconfig.get_path('stdlib'), 'EXTERNALLY-MANAGED').touch()"
    file = f'FROM {image}\nUSER 0\nRUN python3 -c "import pathlib, sysconfig; {mark}"\nUSER 1000\n'
    with closing(docker_engine.client()) as client:
        client.images.build(fileobj=io.BytesIO(file.encode()), tag="mlserve-test-guarded", rm=True)
        yield "mlserve-test-guarded"
        client.images.remove("mlserve-test-guarded", force=True)


def test_packages_are_put_over_an_image_once(box: Client, docker_engine: Engine, guarded: str, tmp_path: Path) -> None:
    script = "python3 -c 'import tinyhtml5' && exec python3 /app/webapp.py 8000"
    prepare = {"pythonRequirements": ["tinyhtml5==2.0.0"]}
    service = created(box, wish({"image": guarded, "port": 8000, "script": script, "prepare": prepare}))
    assert told(service)["uid"] == 65534

    def images() -> set[str]:
        with closing(docker_engine.client()) as engine:
            filters = {"label": "mlserve.image.service=app"}
            return {one.id for one in engine.images.list(filters=filters)}

    built = images()
    assert len(built) == 1
    service.update(set=["metadata.cpu=0.4"]).wait(timeout=120)
    assert images() == built, "the next version finds it"
    code = tmp_path / "code"
    code.mkdir()
    (code / "requirements.txt").write_text("# what it needs\ntinyhtml5==2.0.0 # a parser\n")
    prepare = {"pythonRequirementsPath": "/ml/usercode/requirements.txt"}
    wished = wish({"image": guarded, "port": 8000, "script": script, "prepare": prepare}, processor_path=str(code))
    service.update(wished).wait(timeout=120)
    assert images() == built, "the same packages from a file"


def test_what_dies_of_the_hardening_is_told_which_field_loosens_it(box: Client, image: str) -> None:
    writes = "touch /app/cache && exec python3 /app/webapp.py 8000"
    with pytest.raises(StartFailed) as refused:
        created(box, wish({"image": image, "port": 8000, "script": writes}))
    assert "read_only" in refused.value.hint
    box.services.get("app").delete()
    loose = {"image": image, "port": 8000, "script": writes, "read_only": False}
    with pytest.raises(StartFailed) as refused:
        created(box, wish(loose))
    assert "user" in refused.value.hint
    box.services.get("app").delete()
    assert told(created(box, wish({**loose, "user": "root"})))["uid"] == 0


def test_what_does_not_listen_where_it_says_is_told_so(box: Client, image: str) -> None:
    local = "exec python3 -m http.server --bind 127.0.0.1 8000"
    with pytest.raises(StartFailed) as refused:
        created(box, wish({"image": image, "port": 8000, "script": local}, startup_timeout=5))
    assert "127.0.0.1:8000" in f"{refused.value.message} {refused.value.hint}"


def test_processes_refuse_an_image_and_name_who_runs_it(client: Client, docker_engine: Engine, tmp_path: Path) -> None:
    file = tmp_path / "service.json"
    file.write_text(json.dumps(wish({"image": "x", "port": 8000}, metadata={"resource": ""})))
    refused = mlserve("create", file, "-o", "json")
    assert refused.returncode == 2
    told = error(refused)
    assert [(entry["pointer"], entry["code"]) for entry in told["details"]] == [("/containers", "unsupported")]
    assert told["hint"] == "add a resource group that can: mlserve resource add NAME --backend docker"
    client.resources.add("box", "docker", {"host": docker_engine.host})
    told = error(mlserve("create", file, "-o", "json"))
    assert "--set metadata.resource=box" in told["hint"]
