import asyncio
import threading
from collections.abc import Iterator

import bcrypt
import pytest

from exporter.web.toolkit.passwords import PasswordHash, Passwords, TooManyChecksError

RIGHT = b"right canary"


def hashed(password: bytes, cost: int = 4) -> PasswordHash:
    return PasswordHash(bcrypt.hashpw(password, bcrypt.gensalt(cost)).decode())


class Counted:
    """The real bcrypt, which records the costs of the checked hashes and waits until `go` is set."""

    def __init__(self) -> None:
        self.costs: list[int] = []
        self.at_a_time = 0
        self.most_at_a_time = 0
        self.threads: set[int] = set()
        self.go = threading.Event()
        self.go.set()
        self._checkpw = bcrypt.checkpw

    def __call__(self, password: bytes, hashed_password: bytes) -> bool:
        self.at_a_time += 1
        self.most_at_a_time = max(self.most_at_a_time, self.at_a_time)
        self.threads.add(threading.get_ident())
        self.costs.append(int(hashed_password[4:6]))
        self.go.wait(10)
        matches = self._checkpw(password, hashed_password)
        self.at_a_time -= 1
        return matches


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Iterator[Counted]:
    counted = Counted()
    monkeypatch.setattr(bcrypt, "checkpw", counted)
    yield counted
    counted.go.set()


async def test_a_correct_password_is_hashed_once(counted: Counted) -> None:
    passwords = Passwords({"alice": hashed(RIGHT)})
    assert [await passwords.check("alice", RIGHT) for _ in range(5)] == [True] * 5
    assert counted.costs == [4]
    assert counted.threads.isdisjoint({threading.get_ident()})


async def test_concurrent_requests_hash_it_once(counted: Counted) -> None:
    passwords = Passwords({"alice": hashed(RIGHT)})
    assert await asyncio.gather(*(passwords.check("alice", RIGHT) for _ in range(10))) == [True] * 10
    assert counted.costs == [4]


async def test_a_wrong_password_is_hashed_every_time(counted: Counted) -> None:
    passwords = Passwords({"alice": hashed(RIGHT), "bob": hashed(b"bob's")})
    assert await passwords.check("alice", RIGHT)
    wrong = [("alice", b"wrong"), ("alice", b"bob's"), ("alice", b""), ("bob", RIGHT), ("alice", RIGHT + b"x")]
    assert [await passwords.check(*each) for each in wrong] == [False] * 5
    assert len(counted.costs) == 6
    assert await passwords.check("alice", RIGHT)
    assert len(counted.costs) == 6


async def test_an_unknown_user_takes_as_long_as_a_known_one(counted: Counted) -> None:
    passwords = Passwords({"alice": hashed(RIGHT, 6), "bob": hashed(RIGHT, 5)})
    for user in ("alice", "mallory", "", "Alice"):
        assert not await passwords.check(user, b"wrong")
        assert not await passwords.check(user, b"wrong")
    assert counted.costs == [6] * 8


async def test_a_flood_is_checked_one_by_one_and_does_not_pile_up(counted: Counted) -> None:
    passwords = Passwords({"alice": hashed(RIGHT)})
    assert await passwords.check("alice", RIGHT)
    counted.go.clear()
    flood = [asyncio.create_task(passwords.check("mallory", b"%d" % number)) for number in range(100)]
    await asyncio.sleep(0)
    refused = [task for task in flood if task.done()]
    assert len(refused) == 84
    assert {str(task.exception()) for task in refused} == {"16 passwords are waiting for their check"}
    assert {type(task.exception()) for task in refused} == {TooManyChecksError}
    assert await passwords.check("alice", RIGHT)  # a known password needs no check
    counted.go.set()
    assert [await task for task in flood if task not in refused] == [False] * 16
    assert counted.most_at_a_time == 1
    assert len(counted.costs) == 17
    assert not await passwords.check("mallory", b"x")  # there is room again


async def test_one_digest_is_kept_for_each_user() -> None:
    long = b"x" * 72
    passwords = Passwords({"alice": hashed(long)})
    assert [await passwords.check("alice", long + b"%d" % number) for number in range(5)] == [True] * 5
    assert not await passwords.check("bob", long)
    assert len(passwords._correct) == 1
    assert long not in b"".join(passwords._correct.values())
    assert len(passwords._correct["alice"]) == 32


@pytest.mark.parametrize("password", ["", "ü€😀", "a:b", "x" * 72, "nul\0nul"])
@pytest.mark.parametrize("prefix", ["$2a$", "$2b$", "$2y$"])
async def test_passwords_of_all_kinds(password: str, prefix: str) -> None:
    text = bcrypt.hashpw(password.encode(), bcrypt.gensalt(4)).decode()
    passwords = Passwords({"alice": PasswordHash(prefix + text[4:])})
    assert await passwords.check("alice", password.encode())
    assert not await passwords.check("alice", b"y" + password.encode())


async def test_a_hash_by_htpasswd() -> None:
    """From the toolkit's documentation and tests: fakepassword, by a hash with $2y$ and cost 10."""
    known = PasswordHash("$2y$10$QOauhQNbBCuQDKes6eFzPeMqBSjb7Mr5DUmpZ/VcEd00UAV/LDeSi")
    assert await Passwords({"alice": known}).check("alice", b"fakepassword")


@pytest.mark.parametrize(
    "text",
    [
        *("", "canary", "$2b$", "$2b$04$" + "." * 52, "$2b$04$" + "." * 54, "$2b$03$" + "." * 53, "$2b$32$" + "." * 53),
        *("$2b$4$" + "." * 54, "$2c$04$" + "." * 53, "$2b$04$" + "." * 21 + "z" + "." * 31, "$2b$04$" + "ü" * 53),
        *("$2b$04$" + "." * 53 + "\n", " $2b$04$" + "." * 53, "$1$canary", "{SHA}canary"),
    ],
)
def test_texts_that_are_not_hashes(text: str) -> None:
    with pytest.raises(ValueError, match=r"^is not a bcrypt hash; `htpasswd -nBC 10 USER` creates one$"):
        PasswordHash(text)


def test_a_hash_is_not_shown() -> None:
    one, same, other = (PasswordHash(f"$2{kind}$04$" + "." * 53) for kind in "bby")
    assert (repr(one), str(one), f"{one}") == ("PasswordHash(***)",) * 3
    assert one == same
    assert one != other
    assert len({one, same, other}) == 2
    assert one.cost == 4
