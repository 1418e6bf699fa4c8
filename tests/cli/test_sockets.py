"""Sockets of listeners: shared among workers, and never with strangers in silence."""

import socket
from collections.abc import Iterator

import pytest

from tollway.cli.sockets import AddressTaken, bind, reserve
from tollway.snapshot.document import Listener


@pytest.fixture
def stranger() -> Iterator[int]:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        yield other.getsockname()[1]


def listener(port: int, host: str = "127.0.0.1") -> Listener:
    return Listener(name="main", host=host, port=port)


def test_a_reserved_address_can_be_bound_by_every_worker_and_by_nobody_else() -> None:
    hold, port = reserve(listener(0))
    workers = [bind("127.0.0.1", port) for _ in range(3)]
    for worker in workers:
        worker.listen()
    with socket.socket() as other, pytest.raises(OSError, match="Address already in use"):
        other.bind(("127.0.0.1", port))
    for one in (hold, *workers):
        one.close()


def test_each_worker_has_its_own_queue() -> None:
    hold, port = reserve(listener(0))
    workers = [bind("127.0.0.1", port) for _ in range(2)]
    for worker in workers:
        worker.listen()
        worker.settimeout(0)
    callers = [socket.create_connection(("127.0.0.1", port)) for _ in range(64)]
    accepted = [0, 0]
    for number, worker in enumerate(workers):
        while True:
            try:
                worker.accept()[0].close()
            except BlockingIOError:
                break
            accepted[number] += 1
    assert sum(accepted) == 64
    assert min(accepted) > 0
    for one in (hold, *workers, *callers):
        one.close()


def test_an_address_that_a_stranger_has_is_told(stranger: int) -> None:
    with pytest.raises(AddressTaken) as caught:
        reserve(listener(stranger))
    assert str(caught.value) == (f"127.0.0.1:{stranger} is in use by another program; stop it, or choose another port")


def test_an_address_that_another_gateway_serves_is_told_too() -> None:
    hold, port = reserve(listener(0))
    worker = bind("127.0.0.1", port)
    worker.listen()
    with pytest.raises(AddressTaken, match="is in use"):
        reserve(listener(port))
    worker.close()
    hold.close()


def test_an_address_that_is_not_this_machines_is_told() -> None:
    with pytest.raises(AddressTaken, match=r"192\.0\.2\.1:8081 cannot be listened on: Cannot assign"):
        reserve(listener(8081, "192.0.2.1"))


def test_an_address_is_free_again_once_it_is_let_go() -> None:
    hold, port = reserve(listener(0))
    hold.close()
    again, same = reserve(listener(port))
    assert same == port
    again.close()


def test_addresses_of_both_families_can_be_had() -> None:
    if not socket.has_ipv6:
        pytest.skip("this machine has no IPv6")
    try:
        hold, port = reserve(listener(0, "::1"))
    except AddressTaken:
        pytest.skip("this machine has no IPv6 loopback")
    beside, _ = reserve(listener(port))
    assert hold.family == socket.AF_INET6
    hold.close()
    beside.close()
