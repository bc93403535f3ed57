import counter


def test_first_visit_is_counted():
    assert counter.visit() == 1


def test_counter_has_a_file_of_its_own():
    assert counter.FILE.name == "visits"
