import lease


def test_lease_is_held_after_its_renewal(tmp_path):
    mine = lease.Lease(tmp_path / "leader")
    mine.renew("node-1")
    assert mine.is_held()


def test_leader_is_written_down(tmp_path):
    lease.Lease(tmp_path / "leader").renew("node-1")
    assert (tmp_path / "leader").read_text() == "node-1"


def test_new_lease_is_not_held(tmp_path):
    assert not lease.Lease(tmp_path / "leader").is_held()
