import os

import multiplex


def test_connection_is_shared():
    with multiplex.share():
        assert os.path.exists(multiplex.path())
    os.unlink(multiplex.path())


def test_path_names_the_port():
    assert "-22-" in multiplex.path()
