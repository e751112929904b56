import zlib
from collections.abc import Mapping

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from exporter.exposition.families import AGENT_CALLS, FAMILIES, FOLDER_CALLS_TOTAL, POLL_FAILURES, Family
from exporter.exposition.page import Page
from exporter.exposition.store import Store
from exporter.exposition.text_format import Format, header, label_text, sample
from tests.support.exposition_oracle import END, Sample, assert_valid, expected, label_values, numbers
from tests.support.finished_steps import finished, publish

KEY = ("Co", "Co-Org", "Test01")
LABELS = 'company="Co",folder="Test01",org="Co-Org"'
MIDNIGHT = 1_795_410_000.0

Series = Mapping[tuple[str, ...], float]


@st.composite
def pages(draw: st.DrawFn) -> Mapping[Family, Series]:
    """Draw some series, most of them in the same few folders."""
    values = draw(st.lists(label_values, min_size=1, max_size=3))
    page: dict[Family, dict[tuple[str, ...], float]] = {}
    for _ in range(draw(st.integers(0, 8))):
        family = draw(st.sampled_from(FAMILIES))
        labels = draw(st.tuples(*[st.sampled_from(values)] * len(family.labels)))
        page.setdefault(family, {})[labels] = draw(st.integers(0, 2**60) if family.type == "counter" else numbers)
    return page


def put(store: Store, families: Mapping[Family, Series]) -> None:
    """Publish these series; those of a folder are one block."""
    draft = store.draft()
    for family, series in families.items():
        blocks: dict[tuple[str, ...], list[tuple[str, float]]] = {}
        for labels, value in series.items():
            text = label_text(dict(zip(family.labels, labels, strict=True)))
            blocks.setdefault(labels[:3], []).append((text, value))
        for key, lines in blocks.items():
            name = family.name.removesuffix("_total") + "_created"
            draft.put(
                family,
                key,
                "".join(sample(family.name, text, value) for text, value in lines),
                "".join(sample(family.name, text, value) + sample(name, text, MIDNIGHT) for text, value in lines),
            )
    publish(store, draft)


def in_order(family: Family, series: Series) -> list[Sample]:
    """Return the series in the order of a page: blocks by their keys, each in the order in which it was put."""
    created = MIDNIGHT if family.created else None
    keys = sorted({labels[:3] for labels in series})
    return [Sample(labels, value, created) for key in keys for labels, value in series.items() if labels[:3] == key]


def text_of(page: Page) -> bytes:
    """Check that both forms of a page are the same and as long as they say, and give it."""
    texts = []
    for more in (b"", END):
        (packed_size, packed_chunks), (size, chunks) = page.gzip(more), page.text(more)
        packed, text = b"".join(packed_chunks), b"".join(chunks)
        assert (len(packed), len(text)) == (packed_size, size)
        assert first_member(packed) == (text, b"")
        texts.append(text)
    assert texts[1] == texts[0] + END
    return texts[0]


def first_member(packed: bytes) -> tuple[bytes, bytes]:
    """Read what curl and browsers read of a gzip stream, and give what they leave."""
    unpacking = zlib.decompressobj(wbits=31)
    text = unpacking.decompress(packed)
    assert unpacking.eof
    return text, unpacking.unused_data


@settings(deadline=None)
@given(pages(), pages())
def test_a_page_is_what_the_client_library_writes(
    first: Mapping[Family, Series], then: Mapping[Family, Series]
) -> None:
    store = Store()
    put(store, first)
    draft = store.draft()
    for family, series in first.items():
        for key in sorted({labels[:3] for labels in series}):
            draft.put(family, key, "")
    publish(store, draft)
    assert [store.pages[form] for form in Format] == [Page(), Page()]
    put(store, then)
    for form in Format:
        samples = {family: in_order(family, then[family]) for family in FAMILIES if family in then}
        text = text_of(store.pages[form])
        assert text == expected(samples, form)
        assert len(assert_valid(text + END, form)) == sum(
            len(series) * (2 if family.created and form is Format.OPENMETRICS else 1) for family, series in then.items()
        )


def test_nothing_is_published_at_first() -> None:
    store = Store()
    assert [text_of(store.pages[form]) for form in Format] == [b"", b""]


def test_a_page() -> None:
    store = Store()
    draft = store.draft()
    draft.put(POLL_FAILURES, KEY, sample(POLL_FAILURES.name, f'{LABELS},reason="dns"', 2))
    total = sample(FOLDER_CALLS_TOTAL.name, LABELS, 12)
    draft.put(FOLDER_CALLS_TOTAL, KEY, total, total + sample("vspark_folder_calls_created", LABELS, MIDNIGHT))
    publish(store, draft)
    assert text_of(store.pages[Format.TEXT]).decode() == (
        "# HELP vspark_folder_calls_total Calls of the org's current day,"
        " as a counter that resets at the org's midnight. "
        "As old as the last successful poll: at most poll.interval plus the duration of the request.\n"
        "# TYPE vspark_folder_calls_total counter\n"
        'vspark_folder_calls_total{company="Co",folder="Test01",org="Co-Org"} 12.0\n'
        "# HELP vspark_poll_failures_total Failed polls of a target, by reason.\n"
        "# TYPE vspark_poll_failures_total counter\n"
        'vspark_poll_failures_total{company="Co",folder="Test01",org="Co-Org",reason="dns"} 2.0\n'
    )
    assert text_of(store.pages[Format.OPENMETRICS]).decode() == (
        "# HELP vspark_folder_calls Calls of the org's current day,"
        " as a counter that resets at the org's midnight. "
        "As old as the last successful poll: at most poll.interval plus the duration of the request.\n"
        "# TYPE vspark_folder_calls counter\n"
        'vspark_folder_calls_total{company="Co",folder="Test01",org="Co-Org"} 12.0\n'
        'vspark_folder_calls_created{company="Co",folder="Test01",org="Co-Org"} 1.79541e+09\n'
        "# HELP vspark_poll_failures Failed polls of a target, by reason.\n"
        "# TYPE vspark_poll_failures counter\n"
        'vspark_poll_failures_total{company="Co",folder="Test01",org="Co-Org",reason="dns"} 2.0\n'
    )


def test_a_draft_is_invisible_until_it_is_published() -> None:
    store = Store()
    put(store, {AGENT_CALLS: {(*KEY, "a"): 1}})
    pages = store.pages
    draft = store.draft()
    draft.put(AGENT_CALLS, KEY, "")
    draft.put(POLL_FAILURES, KEY, "x 1\n")
    assert store.pages is pages
    thrown_away = store.draft()
    thrown_away.put(AGENT_CALLS, KEY, "x 2\n" * 500_000)
    assert store.pages is pages
    draft.commit()
    assert store.pages is pages
    publish(store, draft)
    assert text_of(store.pages[Format.TEXT]).endswith(b"\nx 1\n")
    assert AGENT_CALLS.name.encode() not in text_of(store.pages[Format.TEXT])


@pytest.mark.no_cover
def test_a_page_that_is_being_read_stays_as_it_is() -> None:
    store = Store()
    put(
        store,
        {AGENT_CALLS: {(*KEY[:2], f"{folder:03}", str(agent)): 1 for folder in range(200) for agent in range(99)}},
    )
    page = store.pages[Format.TEXT]
    before = text_of(page)
    _, chunks = page.text()
    first = next(chunks)
    put(store, {AGENT_CALLS: {(*KEY[:2], f"{folder:03}", "a"): 2 for folder in range(100)}})
    assert b"".join([first, *chunks]) == before
    assert text_of(page) == before != text_of(store.pages[Format.TEXT])


def test_families_that_are_not_touched_keep_their_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("exporter.exposition.store._FEW_TEXTS", -1)
    store = Store()
    put(store, {AGENT_CALLS: {(*KEY, "a"): 1}, POLL_FAILURES: {(*KEY, "dns"): 1}})
    before = store.pages[Format.TEXT].pieces
    put(store, {POLL_FAILURES: {(*KEY, "dns"): 2}})
    after = store.pages[Format.TEXT].pieces
    assert [old is new for old, new in zip(before, after, strict=True)] == [True, True, True, False]


drafts = st.tuples(
    st.lists(st.tuples(st.sampled_from("abcdefgh"), st.sampled_from([0, 1, 30_000, 200_000])), max_size=12),
    st.sampled_from(["drop", "commit", "publish"]),
)


@settings(deadline=None)
@given(st.lists(drafts, max_size=6))
@example(  # a large change over texts that wait already: before it, amid it, behind it, and one that it replaces
    [
        ([("a", 200_000), ("c", 200_000), ("e", 200_000), ("g", 200_000)], "publish"),
        ([("a", 1), ("d", 1), ("e", 1), ("h", 1)], "commit"),
        ([(key, 200_000) for key in "bcefbgab"], "commit"),
        ([("a", 1), ("f", 0)], "publish"),
    ]
)
def test_changes_of_any_size_in_any_order_add_up(drafts: list[tuple[list[tuple[str, int]], str]]) -> None:
    store = Store()
    committed: dict[str, bytes] = {}
    published: dict[str, bytes] = {}
    number = 0
    for puts, end in drafts:
        draft, model = store.draft(), dict(committed)
        for key, size in puts:
            number += 1
            block = (f"x {number}\n" * size)[:size]
            draft.put(AGENT_CALLS, ("C", "O", key), block)
            model[key] = block.encode()
        if end != "drop":
            draft.commit()
            committed = model
        if end == "publish":
            finished(store.publish())
            published = {key: text for key, text in sorted(committed.items()) if text}
        _, _, text = text_of(store.pages[Format.TEXT]).partition(b" gauge\n")
        assert text == b"".join(published.values())


changes = st.lists(
    st.tuples(
        st.sampled_from("abcd"),
        st.one_of(
            st.tuples(st.sampled_from([AGENT_CALLS, FOLDER_CALLS_TOTAL, POLL_FAILURES]), st.sampled_from([1, 300_000])),
            st.sets(st.sampled_from([AGENT_CALLS, FOLDER_CALLS_TOTAL, POLL_FAILURES]), min_size=1).map(tuple),
        ),
    ),
    max_size=12,
)


@settings(deadline=None)
@given(
    st.lists(st.tuples(changes, st.sampled_from(["drop", "commit", "publish"])), max_size=5), st.sampled_from([-1, 64])
)
@example(  # removed and put again, put and removed, in one draft
    [
        ([("a", (POLL_FAILURES, 1)), ("b", (POLL_FAILURES, 1))], "publish"),
        ([("a", (AGENT_CALLS, POLL_FAILURES)), ("a", (POLL_FAILURES, 1)), ("b", (POLL_FAILURES,))], "publish"),
        ([("b", (POLL_FAILURES, 1)), ("b", (POLL_FAILURES, AGENT_CALLS)), ("a", (POLL_FAILURES,))], "publish"),
    ],
    -1,
)
@example(  # removed before a text is put that is too large to wait
    [([("a", (AGENT_CALLS,)), ("a", (AGENT_CALLS, 300_000)), ("b", (AGENT_CALLS, 300_000))], "publish")], -1
)
@example(  # removed, while texts of earlier drafts wait
    [
        ([(key, (AGENT_CALLS, 300_000)) for key in "abcd"], "publish"),
        ([("a", (AGENT_CALLS, 1)), ("b", (AGENT_CALLS, 1))], "commit"),
        ([("b", (AGENT_CALLS,)), ("c", (AGENT_CALLS,))], "publish"),
    ],
    -1,
)
def test_the_last_put_or_removal_of_a_block_counts(
    drafts: list[tuple[list[tuple[str, tuple[Family, ...] | tuple[Family, int]]], str]], few: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("exporter.exposition.store._FEW_TEXTS", few)
        store, number = Store(), 0
        committed: dict[tuple[Family, str], str] = {}
        published: dict[tuple[Family, str], str] = {}
        for ops, end in drafts:
            draft, model = store.draft(), dict(committed)
            for key, (family, *more) in ops:
                if more and isinstance(more[0], int):
                    number += 1
                    text = (f"x {number}\n" * more[0])[: max(more[0], 8)]
                    draft.put(family, ("C", "O", key), text, text)
                    model[family, key] = text
                else:
                    families = (family, *(each for each in more if isinstance(each, Family)))
                    draft.remove(families, ("C", "O", key))
                    model |= {(each, key): "" for each in families}
            if end != "drop":
                draft.commit()
                committed = model
            if end == "publish":
                finished(store.publish())
                published = committed
            for form in Format:
                expected_text = ""
                for family in FAMILIES:
                    texts = [
                        published[each] for each in sorted(published, key=lambda each: each[1]) if each[0] is family
                    ]
                    expected_text += header(family, form).decode() + "".join(texts) if any(texts) else ""
                assert text_of(store.pages[form]).decode() == expected_text


@pytest.mark.parametrize("changed", [0, 40, 600])
def test_many_removed_blocks_leave_the_others_and_what_is_put_meanwhile(changed: int) -> None:
    store, names = Store(), [f"{number:04}" for number in range(1200)]
    put(store, {family: {(*KEY[:2], name, "a"): 1 for name in names} for family in (AGENT_CALLS, POLL_FAILURES)})
    draft = store.draft()
    for name in names[: 2 * changed]:
        draft.put(AGENT_CALLS, (*KEY[:2], name), f"x {name}\n")
    draft.commit()
    draft = store.draft()
    for name in names[1::2]:
        draft.remove((AGENT_CALLS, POLL_FAILURES), (*KEY[:2], name))
    page = text_of(store.pages[Format.TEXT])
    finished(store.publish())
    assert text_of(store.pages[Format.TEXT]) != page or not changed  # nothing is removed before the commit
    publish(store, draft)
    blocks = [*store.blocks((AGENT_CALLS.name, None)), *store.blocks((POLL_FAILURES.name, None))]
    found = [
        (key[2], text.startswith(b"x "))
        for group in blocks
        for key, text in zip(group.keys, group.texts(), strict=True)
    ]
    left = names[::2]
    assert found == [*((name, name in names[: 2 * changed]) for name in left), *((name, False) for name in left)]


def test_of_a_large_change_only_the_last_texts_wait_uncompressed() -> None:
    store = Store()
    draft = store.draft()
    texts = [f"x {number}\n" * 10_000 for number in range(100)]
    for number, text in enumerate(texts):
        draft.put(AGENT_CALLS, ("C", "O", f"{number:03}"), text)
    draft.commit()
    assert sum(map(len, store.pending((AGENT_CALLS.name, None)).values())) < 600_000 < sum(map(len, texts)) / 6
    finished(store.publish())
    assert text_of(store.pages[Format.TEXT]).endswith("".join(texts).encode())


def test_a_publication_that_is_broken_off_is_continued_by_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("exporter.exposition.store._FEW_TEXTS", -1)
    store = Store()
    for number in (1, 2):
        draft = store.draft()
        for family in (AGENT_CALLS, POLL_FAILURES):
            draft.put(family, KEY, f"x {number}\n")
        draft.commit()
        steps = store.publish()
        next(steps)
        next(steps)
        assert store.pages[Format.TEXT] == Page()
        steps.close()
    finished(store.publish())
    assert text_of(store.pages[Format.TEXT]).count(b"\nx 2\n") == 2


def test_a_few_texts_are_merged_by_the_first_scrape_and_many_by_the_publication() -> None:
    store = Store()
    for number in range(1, 66):
        draft = store.draft()
        draft.put(AGENT_CALLS, (*KEY, f"{number:02}"), f"x {number}\n")
        draft.commit()
        finished(store.publish())
        assert text_of(store.pages[Format.TEXT]).count(b"\nx ") == number
        assert len(store.blocks((AGENT_CALLS.name, None))) == (number > 64)
    draft = store.draft()
    draft.put(AGENT_CALLS, (*KEY, "01"), "")
    draft.commit()
    finished(store.publish())
    assert text_of(store.pages[Format.TEXT]).count(b"\nx ") == 64


def test_a_large_text_is_not_merged_by_a_scrape() -> None:
    store = Store()
    draft = store.draft()
    draft.put(AGENT_CALLS, KEY, "x 1\n" * 10_000)
    draft.commit()
    finished(store.publish())
    assert len(store.blocks((AGENT_CALLS.name, None))) == 1


def test_a_page_that_is_scraped_late_is_the_one_that_was_published() -> None:
    store = Store()
    for number in (1, 2):
        draft = store.draft()
        draft.put(AGENT_CALLS, KEY, f"x {number}\n")
        draft.commit()
        if number == 1:
            finished(store.publish())
    assert b"\nx 1\n" in text_of(store.pages[Format.TEXT])
    finished(store.publish())
    assert b"\nx 2\n" in text_of(store.pages[Format.TEXT])


class Number:
    """A publisher of a number."""

    def __init__(self) -> None:
        self.published = 0


def test_a_publishers_value_is_replaced_together_with_the_page() -> None:
    store, one, other = Store(), Number(), Number()
    store.draft().replace(one, 9)  # a draft that is dropped
    draft = store.draft()
    draft.put(AGENT_CALLS, KEY, "x 1\n")
    draft.replace(one, draft.latest(one) + 1)
    draft.replace(one, draft.latest(one) + 1)
    assert (draft.latest(one), draft.latest(other), one.published) == (2, 0, 0)
    publish(store, draft)
    assert (one.published, other.published) == (2, 0)
    assert text_of(store.pages[Format.TEXT]).endswith(b"\nx 1\n")
