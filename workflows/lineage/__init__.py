"""Where results come from and what came of them: graphs of lineage read from records, cards and manifests."""

from __future__ import annotations

from whiteline.workflows.lineage.tracing import Tracer

__all__ = ["Tracer"]
