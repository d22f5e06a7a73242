"""How often a segment without a receipt is offered again."""

import itertools

from edge_agent.uplink import PROBE, RECEIPT_DEADLINE_S, WINDOW, Offer

FIRST_S, LAST_S = RECEIPT_DEADLINE_S


def test_a_window_may_wait_for_receipts_and_slides_with_them():
    offer = Offer(receipted=10, since_s=0.0)
    assert offer.room == WINDOW
    offer.sent = 10 + WINDOW
    assert offer.room == 0
    offer.look(receipted=15, now_s=1.0)
    assert offer.room == 5


def test_without_a_receipt_only_a_few_are_offered_again_less_and_less_often():
    offer, now_s, rounds = Offer(receipted=0, since_s=0.0), 0.0, []
    offer.sent = WINDOW
    offered = 0
    while now_s < 24 * 3600:
        now_s += 1.0
        offer.look(receipted=0, now_s=now_s)
        if offer.room and offer.sent < PROBE:
            offered += offer.room
            offer.sent += offer.room
            rounds.append(now_s)
    pauses = [b - a for a, b in itertools.pairwise(rounds)]
    assert pauses[0] <= 2 * FIRST_S + 1
    assert max(pauses) <= LAST_S + 1
    assert offered < PROBE * (24 * 3600 / LAST_S + 10)


def test_a_receipt_brings_the_full_window_back():
    offer = Offer(receipted=0, since_s=0.0)
    offer.sent = WINDOW
    offer.look(0, FIRST_S + 1)
    assert offer.sent == 0
    assert offer.room == PROBE
    offer.look(3, FIRST_S + 2)
    assert offer.sent == 3
    assert offer.room == WINDOW


def test_nothing_waiting_is_never_overdue():
    offer = Offer(receipted=5, since_s=0.0)
    offer.look(5, 10 * LAST_S)
    assert offer.pause_s == FIRST_S
    offer.sent = 6
    offer.look(5, 10 * LAST_S + 1)
    assert offer.sent == 6, "its time begins when it is sent"
