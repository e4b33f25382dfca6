"""YAML as people read it."""

from __future__ import annotations

from collections.abc import Mapping
from io import StringIO
from typing import Any

__all__ = ["yaml_text"]


def yaml_text(content: Mapping[str, Any]) -> str:
    """Return a document, its keys in the order given.

    >>> yaml_text({"title": "Spectra: copper", "n": [1]})
    "title: 'Spectra: copper'\\nn:\\n- 1\\n"
    """
    from ruamel.yaml import YAML

    writer = YAML(typ="safe", pure=True)
    writer.default_flow_style = False
    writer.sort_base_mapping_type_on_output = False  # type: ignore[assignment]  # its annotation is None alone
    writer.width = 110
    text = StringIO()
    writer.dump(dict(content), text)
    return text.getvalue()
