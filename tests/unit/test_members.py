"""The gzip of a landing object: whole lines in small members, which any reader of gzip reads."""

import gzip
import zlib

from hypothesis import given
from hypothesis import strategies as st

from ingest.spool.members import members


@given(st.lists(st.binary(max_size=30).map(lambda text: text.replace(b"\n", b"") + b"\n")), st.integers(1, 50))
def test_members_are_whole_lines_and_their_chain_is_the_text(lines, limit):
    text = b"".join(lines)
    chain = members(text, text_limit=limit)
    assert gzip.decompress(chain or gzip.compress(b"")) == text
    for member in single_members(chain):
        assert member.endswith(b"\n")
        assert len(member) <= limit or member.count(b"\n") == 1


def single_members(chain):
    while chain:
        one = zlib.decompressobj(wbits=31)
        yield one.decompress(chain)
        chain = one.unused_data


def test_members_are_as_few_as_the_limit_allows():
    assert [len(member) for member in single_members(members(b"12345678\n" * 10, text_limit=30))] == [27, 27, 27, 9]
