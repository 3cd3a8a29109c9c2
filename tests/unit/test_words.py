"""Whether a text in Acquire is the customer's, whatever either of them holds."""

from __future__ import annotations

import pytest

from service.domain.text import carries, resembles

ENDLESS = f"It broke &#{'9' * 5000}; again, the very same way."


@pytest.mark.parametrize("shown", [ENDLESS, ENDLESS.replace("&", "&amp;"), "It broke again, the same way."])
def test_a_reference_without_end_is_compared_like_any_other(shown):
    """A number of more digits than Python reads, as it stands or escaped once more, stops no comparison."""
    assert carries(shown, ENDLESS) is (shown != "It broke again, the same way.")
    assert resembles(shown, ENDLESS) is carries(shown, ENDLESS)
