import tracer


def test_trace_ends_and_is_complete():
    assert tracer.trace(3) == "tracing\n3 events\n"


def test_tool_says_that_it_traces():
    assert "tracing" in tracer.TOOL
