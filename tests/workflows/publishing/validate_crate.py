"""Runs in the interpreter that has roc-validator, which wants an older rich than ours: findings of a crate as JSON.

    python validate_crate.py CRATE CONTEXT PROFILE

No network is needed: the JSON-LD context is put into the validator's cache of pages first.
"""

from __future__ import annotations

import io
import json
import sys
import tempfile
from pathlib import Path

CONTEXT_URL = "https://w3id.org/ro/crate/1.1/context"
ACCEPT = {"Accept": "application/ld+json, application/json, */*;q=0.1"}


def fill_cache(cache: Path, context: Path) -> None:
    """Put the context where the validator looks for it."""
    import requests
    from requests import Response
    from requests_cache import CachedSession  # type: ignore[import-not-found]  # of the other environment
    from urllib3 import HTTPResponse

    session = CachedSession(cache_name=str(cache), expire_after=-1, backend="sqlite")
    content, headers = context.read_bytes(), {"Content-Type": "application/ld+json"}
    answer = Response()
    answer.status_code, answer.url, answer._content = 200, CONTEXT_URL, content
    answer.headers.update(headers)
    answer.request = session.prepare_request(requests.Request("GET", CONTEXT_URL, headers=ACCEPT))
    answer.raw = HTTPResponse(body=io.BytesIO(content), status=200, headers=headers, preload_content=False)
    session.cache.save_response(answer)
    session.close()


def main(crate: str, context: str, profile: str) -> None:
    """Print the findings: severity, check and message of each."""
    from rocrate_validator import services  # type: ignore[import-not-found]  # of the other environment
    from rocrate_validator.models import Severity, ValidationSettings  # type: ignore[import-not-found]

    with tempfile.TemporaryDirectory() as home:
        cache = Path(home) / "pages"
        fill_cache(cache, Path(context))
        settings = ValidationSettings(
            rocrate_uri=crate,
            profile_identifier=profile,
            requirement_severity=Severity.RECOMMENDED,
            offline=True,
            cache_path=str(cache),
        )
        found = services.validate(settings)
        issues = [[i.severity.name, i.check.identifier, i.message] for i in found.get_issues(Severity.RECOMMENDED)]
    print(json.dumps(issues))


if __name__ == "__main__":
    main(*sys.argv[1:])
