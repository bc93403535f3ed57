# touched by: seccomp, processes
import queue
import threading


def test_lamp_is_switched_by_one_thread():
    lamp = threading.Event()
    thread = threading.Thread(target=lamp.set)
    thread.start()
    thread.join()
    assert lamp.is_set()


def test_lamps_come_one_by_one():
    lamps = queue.Queue()

    def put():
        for number in range(10):
            lamps.put(number)

    thread = threading.Thread(target=put)
    thread.start()
    assert [lamps.get() for _ in range(10)] == list(range(10))
    thread.join()
