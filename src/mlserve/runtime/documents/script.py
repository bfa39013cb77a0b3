"""What the page for people does in the browser.

Names, labels and examples come from models: they become text (`textContent`), never markup. The token is kept in a
variable alone: not in the address, not in storage, not in a cookie. A browser that a link let in is asked for none.
"""

SCRIPT = r"""
"use strict";
const base = new URL(".", location.href).href.replace(/\/$/, "");
const main = document.querySelector("main"), form = document.querySelector("form");
const said = document.getElementById("said");
let token = "";

const add = (parent, kind, text = "") => {
  const made = parent.appendChild(document.createElement(kind));
  made.textContent = text;
  return made;
};
const ask = (path, options = {}) => {
  const headers = {...options.headers, ...(token ? {authorization: token} : {})};
  return fetch(base + path, {cache: "no-store", credentials: "same-origin", ...options, headers});
};
const quoted = (text) => "'" + text.replaceAll("'", "'\\''") + "'";
const allowed = () => token ? ' -H "Authorization: $TOKEN"' : "";
const curl = (path, kind, body) => "curl " + base + path + " -H 'content-type: " + kind + "'" + allowed() + body;
const shape = (tensor) => tensor.shape === null ? "any shape" : "[" + tensor.shape.join(", ") + "]";

function table(title, tensors) {
  add(main, "h2", title);
  if (!tensors.length) return add(main, "p", "Not declared: whatever the processor takes or gives.");
  const rows = add(main, "table"), head = add(rows, "tr");
  for (const word of ["name", "datatype", "shape", ""]) add(head, "th", word);
  for (const tensor of tensors) {
    const row = add(rows, "tr");
    add(add(row, "td"), "code", tensor.name);
    add(row, "td", tensor.datatype || "any");
    add(row, "td", shape(tensor));
    add(row, "td", [tensor.optional ? "optional" : "", ...tensor.labels].filter(Boolean).join(", "));
  }
}

function tried(example) {
  add(main, "h2", "Try it");
  const body = add(main, "textarea", JSON.stringify(example, null, 2));
  body.setAttribute("aria-label", "body of the request");
  const button = add(main, "button", "POST /eval"), out = add(main, "pre");
  out.setAttribute("aria-live", "polite");
  button.onclick = async () => {
    try {
      const headers = {"content-type": "application/json"};
      const reply = await ask("/eval", {method: "POST", headers, body: body.value});
      out.textContent = reply.status + " " + await reply.text();
    } catch (error) { out.textContent = String(error); }
  };
}

function shell(paths) {
  add(main, "h2", "From a shell");
  if (token) add(main, "pre", "export TOKEN=…");
  for (const [path, {post}] of Object.entries(paths)) {
    const content = post ? post.requestBody.content["application/json"] : undefined;
    if (content && "example" in content)
      add(main, "pre", curl(path, "application/json", " \\\n  -d " + quoted(JSON.stringify(content.example))));
  }
}

function python(inputs) {
  const required = inputs.filter((tensor) => !tensor.optional);
  if (!required.length || required.some((tensor) => tensor.shape === null))
    return add(main, "p", "POST to " + base + "/eval: a JSON object with the inputs by name.");
  const zeros = (tensor) => {
    const sizes = tensor.shape.map((size) => Math.max(size, 1));
    return JSON.stringify(tensor.name) + ": np.zeros((" + sizes.map((size) => size + ",").join(" ") + ")).tolist()";
  };
  add(main, "h2", "From Python");
  add(main, "pre", (token ? "import os\n" : "") + "import httpx, numpy as np\n\n" +
    "httpx.post(\n    " + JSON.stringify(base + "/eval") + ",\n    json={" + required.map(zeros).join(", ") + "},\n" +
    (token ? '    headers={"Authorization": os.environ["TOKEN"]},\n' : "") + ")");
}

function bodies(content) {
  const files = {"text/csv": "rows.csv", "application/vnd.apache.parquet": "rows.parquet",
    "image/jpeg": "picture.jpg", "image/png": "picture.png"};
  const pictures = "image/png" in content;
  const kinds = Object.keys(files).filter((kind) => kind in content && (!pictures || kind.startsWith("image/")));
  if (!kinds.length) return;
  add(main, "h2", "Other bodies");
  add(main, "pre", kinds.map((kind) => curl("/eval", kind, " --data-binary @" + files[kind])).join("\n"));
  add(main, "p", "multipart/form-data takes a part for each input. The answer is what Accept asks for: JSON, " +
    "text/csv, application/vnd.apache.arrow.stream, multipart/form-data.");
}

function show(text) {
  const {info, paths} = JSON.parse(text), about = info["x-model"];
  document.title = document.querySelector("h1").textContent = info.title;
  const first = add(main, "p", "version " + info.version + ", " + about.platform + " · ");
  const link = add(first, "a", "openapi.json");
  link.href = URL.createObjectURL(new Blob([text], {type: "application/json"}));
  link.download = "openapi.json";
  table("Inputs", about.inputs);
  table("Outputs", about.outputs);
  add(main, "p", "-1 is any size. A missing number is null, both ways; NaN and Infinity are answered as null.");
  const {content} = paths["/eval"].post.requestBody, example = (content["application/json"] || {}).example;
  if (example) { tried(example); shell(paths); } else python(about.inputs);
  bodies(content);
}

async function open() {
  const typed = Boolean(token);
  let reply;
  try { reply = await ask("/openapi.json"); } catch (error) { said.textContent = String(error); }
  if (reply && reply.ok) {
    form.hidden = true;
    said.textContent = "";
    show(await reply.text());
    return;
  }
  token = "";
  form.hidden = false;
  if (!reply) return;
  if (reply.status !== 401) said.textContent = reply.status + " " + await reply.text();
  else said.textContent = typed ? "That token does not open this service." : "This service has a token.";
}

form.onsubmit = (event) => {
  event.preventDefault();
  const field = form.querySelector("input");
  token = field.value.trim();
  field.value = "";
  open();
};
document.querySelector("h1").textContent = decodeURIComponent(base.split("/").pop());
open();
"""
