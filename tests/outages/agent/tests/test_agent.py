import agent


def test_agent_has_a_resolver():
    assert agent.resolver().nameservers


def test_agent_is_documented():
    assert "resolver" in agent.resolver.__doc__
