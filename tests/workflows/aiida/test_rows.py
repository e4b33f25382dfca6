"""Names that AiiDA takes, whatever our names are."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from whiteline.workflows.aiida.rows import link_label, unique_labels


@given(st.text())
def test_every_name_becomes_a_label_that_aiida_takes(name: str) -> None:
    from aiida.common.links import validate_link_label

    validate_link_label(link_label(name))
    assert "__" not in link_label(name)  # which would be a namespace


@given(st.lists(st.text(max_size=5), max_size=20))
def test_labels_of_different_names_differ(names: list[str]) -> None:
    labels = unique_labels(names)
    assert len(set(labels)) == len(names)
