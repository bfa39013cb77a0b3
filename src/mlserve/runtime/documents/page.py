"""GET /docs: one page for people, with nothing to load from elsewhere. Anybody may read it, so it says nothing itself.

What it shows it asks for: openapi.json beside it, with the token that is typed into it where the service has one.
"""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha256

from mlserve.runtime.documents.script import SCRIPT

_STYLE = """
:root{color-scheme:light dark}body{font:16px/1.5 system-ui,sans-serif;max-width:52rem;margin:2rem auto;padding:0 1rem}
table{border-collapse:collapse}td,th{text-align:left;padding:.2rem 1rem .2rem 0;border-bottom:1px solid #8884}
pre,textarea{background:#8881;padding:.8rem;overflow:auto;font:14px/1.4 ui-monospace,monospace;border:0}
textarea{width:100%;box-sizing:border-box;min-height:9rem;color:inherit}
button,input{font:inherit;padding:.3rem 1rem}
"""
_BODY = """
<h1></h1>
<form hidden><label>Token <input type="password" autocomplete="off" spellcheck="false"></label> <button>Open</button>
<p>mlserve describe shows it. It stays in this page until the page is left or loaded again.</p></form>
<p id="said" role="status"></p><main></main><noscript>This page asks the service with JavaScript.</noscript>
"""


def _hash(text: str) -> str:
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"


_POLICY = "; ".join(
    (
        "default-src 'none'", f"script-src {_hash(SCRIPT)}", f"style-src {_hash(_STYLE)}", "connect-src 'self'",
        "img-src data:", "base-uri 'none'", "form-action 'none'", "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    )
)  # fmt: skip
"""Even a text that slipped through as a tag could run nothing and send nothing anywhere."""

DOCS_PAGE = (
    '<!doctype html><html lang="en"><meta charset="utf-8">'
    f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
    '<meta name="referrer" content="no-referrer"><meta name="viewport" content="width=device-width">'
    f'<title>service</title><link rel="icon" href="data:,"><style>{_STYLE}</style>{_BODY}'
    f"<script>{SCRIPT}</script></html>"
).encode()
"""The whole page, the same for every service."""
