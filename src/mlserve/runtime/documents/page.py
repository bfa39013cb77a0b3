"""GET /docs: one page for people, with nothing to load from elsewhere; a request that can be tried as it stands."""

from __future__ import annotations

from html import escape
from typing import Any

import orjson

from mlserve.runtime.documents import tensors
from mlserve.runtime.documents.openapi import takes_pictures
from mlserve.runtime.processors.base import Tensor
from mlserve.runtime.protocols.base import Model, dump_json

_STYLE = """
:root{color-scheme:light dark}body{font:16px/1.5 system-ui,sans-serif;max-width:52rem;margin:2rem auto;padding:0 1rem}
table{border-collapse:collapse}td,th{text-align:left;padding:.2rem 1rem .2rem 0;border-bottom:1px solid #8884}
pre,textarea{background:#8881;padding:.8rem;overflow:auto;font:14px/1.4 ui-monospace,monospace;border:0}
textarea{width:100%;box-sizing:border-box;min-height:9rem;color:inherit}button{font:inherit;padding:.3rem 1rem}
"""
_SCRIPT = """
const base = new URL(".", location.href).href.replace(/\\/$/, "");
for (const place of document.querySelectorAll(".base")) place.textContent = base;
const button = document.querySelector("button");
if (button) button.onclick = async () => {
  const headers = {"content-type": "application/json"};
  const token = document.querySelector("input").value;
  if (token) headers.authorization = token;
  const out = document.querySelector("output pre");
  try {
    const body = document.querySelector("textarea").value;
    const reply = await fetch(base + "/eval", {method: "POST", headers, body});
    out.textContent = reply.status + " " + await reply.text();
  } catch (error) { out.textContent = String(error); }
};
"""


def docs_page(model: Model) -> bytes:
    """The whole page."""
    about = model.signature.metadata
    inputs = tensors.examples(model)
    parts = [
        f"<h1>{escape(model.service)}</h1><p>version {model.version}, {escape(about.platform or 'a model')} · "
        '<a href="openapi.json">openapi.json</a></p>',
        f"<h2>Inputs</h2>{_table(about.inputs)}<h2>Outputs</h2>{_table(about.outputs)}",
        "<p>-1 is any size. A missing number is <code>null</code>, both ways; "
        "NaN and Infinity are answered as <code>null</code>.</p>",
        *(_asked(model, inputs) if inputs else [_too_large(model)]),
        _bodies(model),
    ]
    head = f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(model.service)}</title>'
    view = '<meta name="viewport" content="width=device-width"><link rel="icon" href="data:,">'
    return f"{head}{view}<style>{_STYLE}</style>{''.join(parts)}<script>{_SCRIPT}</script></html>".encode()


def _table(listed: tuple[Tensor, ...]) -> str:
    if not listed:
        return "<p>Not declared: whatever the processor takes or gives.</p>"
    rows = "".join(
        f"<tr><td><code>{escape(t.name)}</code><td>{t.datatype or 'any'}<td>{escape(tensors.as_text(t))}"
        f"<td>{'optional' if t.optional else ''}{escape(', '.join(t.labels[:20]) if t.labels else '')}"
        for t in listed
    )
    return f"<table><tr><th>name<th>datatype<th>shape<th>{rows}</table>"


def _asked(model: Model, inputs: dict[str, Any]) -> list[str]:
    simple = tensors.eval_example(inputs)
    return [
        "<h2>Try it</h2>"
        f"<p><textarea>{escape(_json(simple))}</textarea></p>"
        '<p><input placeholder="token" type="password" autocomplete="off"> <button>POST /eval</button></p>'
        "<output><pre></pre></output><h2>From a shell</h2>",
        _curl("/eval", simple),
        _curl(f"/v2/models/{model.service}/infer", tensors.v2_example(inputs)),
        _curl(f"/v1/models/{model.service}:predict", tensors.v1_example(inputs)),
    ]


def _too_large(model: Model) -> str:
    required = model.signature.required
    if not required or any(tensor.shape is None for tensor in required):
        return "<h2>Ask</h2><p>POST to <code class=base></code>/eval: a JSON object with the inputs by name.</p>"
    shapes = ", ".join(
        f'"{t.name}": np.zeros({tuple(max(size, 1) for size in t.shape or ())}).tolist()' for t in required
    )
    code = f'httpx.post(url + "/eval", json={{{shapes}}})'
    return f'<h2>From Python</h2><pre>import httpx, numpy as np\nurl = "<span class=base></span>"\n{escape(code)}</pre>'


def _bodies(model: Model) -> str:
    kinds = [("text/csv", "@rows.csv"), ("application/vnd.apache.parquet", "@rows.parquet")]
    if takes_pictures(model):
        kinds = [("image/jpeg", "@picture.jpg"), ("image/png", "@picture.png")]
    lines = "\n".join(
        f"curl <span class=base></span>/eval -H 'content-type: {kind}' --data-binary {file}" for kind, file in kinds
    )
    return (
        f"<h2>Other bodies</h2><pre>{lines}</pre>"
        "<p>multipart/form-data takes a part for each input. The answer is what "
        "<code>Accept</code> asks for: JSON, text/csv, application/vnd.apache.arrow.stream, multipart/form-data"
        f"{', a picture' if takes_pictures(model) else ''}.</p>"
    )


def _curl(path: str, body: Any) -> str:
    text = orjson.dumps(orjson.loads(dump_json(body))).decode().replace("'", "'\\''")
    return (
        f"<pre>curl <span class=base></span>{escape(path)} -H 'content-type: application/json' \\\n"
        f"  -d '{escape(text)}'</pre>"
    )


def _json(value: Any) -> str:
    return orjson.dumps(orjson.loads(dump_json(value)), option=orjson.OPT_INDENT_2).decode()
