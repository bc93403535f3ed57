import dealer


def test_two_hands_differ():
    assert dealer.deal() != dealer.deal()


def test_hand_is_of_the_pack():
    assert dealer.deal() in dealer.PACK


def test_pack_has_no_card_twice():
    assert len(set(dealer.PACK)) == len(dealer.PACK)
