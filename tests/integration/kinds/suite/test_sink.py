import client


def test_messages_are_taken():
    client.send(range(6))
    assert client.say("keep") == "ok\n"
