import batches


def test_batch_arrives():
    assert batches.receive() == (0, batches.SIZE)


def test_batch_is_half_of_what_docker_gives():
    assert batches.SIZE * 2 == 64 << 20
