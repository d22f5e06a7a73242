"""Strongly connected components: which places feed each other, and in what order to take them."""

from collections.abc import Iterable, Mapping


def components(feeds: Mapping[str, Iterable[str]]) -> list[tuple[str, ...]]:
    """Groups of names that reach each other, feeders before the fed; names sorted inside a group.

    `feeds`: what each name feeds. Tarjan's algorithm (1972) without recursion.
    """
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    open_names: list[str] = []
    is_open: set[str] = set()
    groups: list[tuple[str, ...]] = []
    for root in sorted(feeds):
        if root in index:
            continue
        work = [(root, iter(sorted(feeds[root])))]
        index[root] = low[root] = len(index)
        open_names.append(root)
        is_open.add(root)
        while work:
            name, ahead = work[-1]
            after = next(ahead, None)
            if after is None:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[name])
                if low[name] == index[name]:
                    groups.append(_close(name, open_names, is_open))
            elif after not in index:
                index[after] = low[after] = len(index)
                open_names.append(after)
                is_open.add(after)
                work.append((after, iter(sorted(feeds[after]))))
            elif after in is_open:
                low[name] = min(low[name], index[after])
    return groups[::-1]


def _close(root: str, open_names: list[str], is_open: set[str]) -> tuple[str, ...]:
    group = []
    while True:
        name = open_names.pop()
        is_open.discard(name)
        group.append(name)
        if name == root:
            return tuple(sorted(group))
