from exporter.runtime.digest import digest_of
from tests.support.finished_steps import finished


def test_bodies_that_differ_anywhere_have_other_digests() -> None:
    large = b"x" * 3_000_000
    bodies = [b"", b"a", b"b", large, large[:-1], large[:-1] + b"y", b"y" + large[1:]]
    digests = [finished(digest_of(body)) for body in bodies]
    assert len(set(digests)) == len(bodies)
    assert {len(digest) for digest in digests} == {16}
    assert finished(digest_of(bytes(large))) == digests[3]
