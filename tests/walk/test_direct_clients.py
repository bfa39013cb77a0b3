"""Clients of Triton and EAS as they are, through the gateway and at the instances that it tells of."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tritonclient.grpc as grpc
import tritonclient.http as http
from tritonclient.utils import InferenceServerException

from mlserve import client_lib
from mlserve.client import Client
from tests import eas_client
from tests.unit.runtime_kit import ROW, until
from tests.walk.test_direct import told


@pytest.mark.timeout(300)
def test_the_clients_of_triton_ask_both_ways_by_http_and_grpc(client: Client, iris: Path) -> None:
    service = client.services.create(iris).wait(timeout=90)
    (instance,) = told(service)
    gateway, token = client.hub.status()["gateway"].removeprefix("http://"), str(service.token)
    for address in (f"{gateway}/api/predict/iris", instance):
        with http.InferenceServerClient(address) as ask:
            assert _species(http, ask, {"authorization": token}) == ["setosa"]
            with pytest.raises(InferenceServerException, match="missing or wrong"):
                _species(http, ask, {})
    for address, named in ((gateway, {"x-mlserve-service": "iris"}), (instance, {})):
        with grpc.InferenceServerClient(address) as call:
            assert _species(grpc, call, {**named, "authorization": f"Bearer {token}"}) == ["setosa"]
            with pytest.raises(InferenceServerException, match="missing or wrong"):
                _species(grpc, call, named)


@pytest.mark.timeout(300)
def test_the_client_of_eas_signs_its_requests_to_a_group(client: Client, iris: Path) -> None:
    for name in ("blue", "green"):
        client.services.create(iris, set=[f"name={name}", "metadata.group=shop", "metadata.memory=256"]).wait(
            timeout=90
        )
    shop, gateway = client.groups.get("shop"), client.hub.status()["gateway"].removeprefix("http://")
    until(lambda: eas_client.ask(gateway, "shop", shop.token, ROW)[0][0] == 200)
    said = eas_client.ask(gateway, "shop", shop.token, ROW, times=8)
    assert [status for status, _ in said] == [200] * 8, said
    assert client_lib.predict("shop", ROW)["species"] == "setosa"
    own = str(client.services.get("blue").token)
    for kind in ("DEFAULT", "DIRECT"):
        ((status, answer),) = eas_client.ask(gateway, "shop.blue", own, ROW, type=kind)
        assert (status, "species" in answer) == (200, True), "a member's name among EAS's users"
    ((status, why),) = eas_client.ask(gateway, "shop", own, ROW)
    assert (status, "signature" in why) == (401, True), "a member's token opens the member alone"


def _species(form: Any, ask: Any, headers: dict[str, str]) -> list[str]:
    inputs = []
    for name, value in ROW.items():
        inputs.append(form.InferInput(name, [1, 1], "FP32"))
        inputs[-1].set_data_from_numpy(np.array([[value]], np.float32))
    found = ask.infer("iris", inputs, headers=headers).as_numpy("species")
    return [each.decode() if isinstance(each, bytes) else str(each) for each in found.ravel()]
