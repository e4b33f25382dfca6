"""Records of jobs that made something other than a spectrum, kept where the store can be written."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import TYPE_CHECKING

from whiteline.errors import StoreError

if TYPE_CHECKING:
    from whiteline.database.store import SpectrumStore
    from whiteline.provenance import ProvenanceRecord

__all__ = ["keep_activity"]

logger = logging.getLogger(__name__)


def keep_activity(store: SpectrumStore, record: ProvenanceRecord, members: Iterable[str] = ()) -> bool:
    """Store the record of a job; return whether it was, and warn where it could not be: what was made stands.

    Args:
        store: Where the spectra are that the job used.
        record: What it used and made.
        members: Ids of the spectra that it used, where they are many.
    """
    try:
        store.put_activity(record, members)
    except StoreError as error:
        made = ", ".join(record.outputs) or record.activity
        logger.warning("where %s came from is not on record: %s", made, error)
        return False
    return True
