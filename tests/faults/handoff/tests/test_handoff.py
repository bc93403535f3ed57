import handoff


def test_quick_helper_is_first():
    assert handoff.finished({"quick": 0.01, "slow": 0.03})[0] == "quick"


def test_all_helpers_finish():
    assert sorted(handoff.finished({"quick": 0.001, "slow": 0.002})) == ["quick", "slow"]
