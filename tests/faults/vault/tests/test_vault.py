import vault


def test_secrets_differ():
    assert len({vault.secret() for _ in range(50)}) == 50


def test_new_secret_is_young(tmp_path):
    vault.store(tmp_path / "vault", "rose")
    assert vault.age(tmp_path / "vault") < 60


def test_secret_is_read_as_it_was_written(tmp_path):
    vault.store(tmp_path / "vault", "rose")
    assert vault.load(tmp_path / "vault") == "rose"


def test_watch_does_not_run_backward():
    watch = vault.Watch()
    assert 0 <= watch.seconds() <= watch.seconds()
