"""Small changes of JSON and YAML values: keys and leaves are replaced, copied, wrapped and removed."""

import copy
from collections.abc import Iterator, Sequence
from random import Random
from typing import Any

_Holder = dict[Any, Any] | list[Any]


class Gardener:
    """Changes trees of dicts and lists; new parts are chosen from `keys` and `leaves`."""

    def __init__(self, keys: Sequence[str], leaves: Sequence[Any]) -> None:
        self._keys = keys
        self._leaves = leaves

    def changed(self, tree: Any, random: Random) -> Any:
        """Return a copy of `tree` with one to three changes."""
        tree = [copy.deepcopy(tree)]
        for _ in range(random.choice((1, 1, 2, 3))):
            holder, key = random.choice(list(_places(tree)))
            self._change(tree, holder, key, random)
        return tree[0] if tree else None

    def spelled(self, name: str, random: Random) -> str:
        """Return a name in another spelling."""
        letters = (letter.upper() if random.random() < 0.3 else letter for letter in name)
        return random.choice(("", "_", "-", " ")).join(letters) if random.random() < 0.1 else "".join(letters)

    def _change(self, tree: list[Any], holder: _Holder, key: Any, random: Random) -> None:
        value = holder[key]
        match random.randrange(9):
            case 0 | 1:
                holder[key] = copy.deepcopy(random.choice(self._leaves))
            case 2 if isinstance(holder, dict):
                del holder[key]
                holder[self._key(random)] = value
            case 3 if isinstance(holder, dict):
                holder[self._key(random)] = copy.deepcopy(value)
            case 3 | 4 if isinstance(holder, list):
                holder.insert(random.randint(0, len(holder)), copy.deepcopy(value))
            case 4:
                other, place = random.choice(list(_places(tree)))
                holder[key] = copy.deepcopy(other[place])
            case 5 if len(holder) > 1:
                del holder[key]
            case 6:
                holder[key] = random.choice(([value], {self._key(random): value}))
            case 7 if isinstance(value, dict):
                value[self._key(random)] = copy.deepcopy(random.choice(self._leaves))
            case 7 if isinstance(value, list):
                value.append(copy.deepcopy(random.choice(self._leaves)))
            case _ if isinstance(value, int | float) and not isinstance(value, bool):
                holder[key] = value + random.choice((1, -1, 0.5))
            case _ if isinstance(value, str):
                place = random.randint(0, len(value))
                holder[key] = value[:place] + random.choice(self._leaves_as_text) + value[place:]
            case _:
                holder[key] = random.choice(([], {}, None))

    @property
    def _leaves_as_text(self) -> list[str]:
        return [leaf for leaf in self._leaves if isinstance(leaf, str)]

    def _key(self, random: Random) -> str:
        return self.spelled(random.choice(self._keys), random)


def _places(tree: _Holder) -> Iterator[tuple[_Holder, Any]]:
    """Yield every position in a tree: the dict or list, and the key or index in it."""
    keys = list(tree) if isinstance(tree, dict) else range(len(tree))
    for key in keys:
        yield tree, key
        if isinstance(tree[key], dict | list):
            yield from _places(tree[key])
