from __future__ import annotations

import threading
from collections.abc import Callable

from wayra_db.backups.budget import Budget


def in_thread(function: Callable[[], object]) -> threading.Thread:
    """Run it beside the test."""
    thread = threading.Thread(target=function, daemon=True)
    thread.start()
    return thread


def wait_until_waiting(budget: Budget, many: int) -> None:
    """Until so many wait for room."""
    while True:
        with budget._changed:
            if len(budget._waiting) == many:
                return


def test_more_than_all_passes_alone() -> None:
    """What is too large for the budget waits until nothing else is held."""
    budget, passed = Budget(10), threading.Event()
    budget.take(1)

    def large() -> None:
        with budget.holding(100):
            passed.set()

    thread = in_thread(large)
    wait_until_waiting(budget, 1)
    assert not passed.is_set()
    budget.give_back(1)
    thread.join(10)
    assert passed.is_set()


def test_first_come_first_served() -> None:
    """One that asks for much is not passed by those that ask for little and would fit."""
    budget, order = Budget(10), list[str]()
    budget.take(1)

    def ask(name: str, amount: int) -> None:
        with budget.holding(amount):
            order.append(name)

    large = in_thread(lambda: ask("large", 10))
    wait_until_waiting(budget, 1)
    small = in_thread(lambda: ask("small", 1))
    wait_until_waiting(budget, 2)
    assert order == []
    budget.give_back(1)
    large.join(10)
    small.join(10)
    assert order == ["large", "small"]
