from typing import Any

import pytest

from tollway.dialects.searches import searches


@pytest.mark.parametrize(
    ("usage", "count"),
    [
        ({"server_tool_use_details": {"web_search_requests": 2, "tool_calls_executed": 3}}, 2),
        ({"server_tool_use": {"web_search_requests": 1}}, 1),
        ({"num_search_queries": 4}, 4),
        ({"server_side_tool_usage_details": {"web_search_calls": 1, "x_search_calls": 2, "mcp_calls": 9}}, 3),
        ({"tool_calls_details": {"search_web": {"invocation": 2}, "fetch_url": {"invocation": 5}}}, 2),
        ({"server_tool_use_details": None, "num_search_queries": None}, 0),
        ({"prompt_tokens": 1}, 0),
    ],
    ids=["details", "older-name", "queries", "sided", "by-tool", "nulls", "none"],
)
def test_searches_are_found_in_every_form(usage: dict[str, Any], count: int) -> None:
    assert searches(usage) == count
