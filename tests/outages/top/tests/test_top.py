import os

import top


def test_own_process_is_in_the_list():
    assert os.getpid() in top.ids(top.table())


def test_list_of_small_ids_is_read():
    assert top.ids(["    1init", "  417sh"]) == [1, 417]
