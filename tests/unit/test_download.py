"""Published files: fetched in pieces, gone on with, and believed only with the sha256 beside them."""

import hashlib
from collections import deque

import pytest
import urllib3

from ingest.rest.download import TRIES, Downloads, File, Refusal, fetch
from tests.support.dumps import sidecar, site
from tests.support.fakes import FakeTime, Stop

PATH, NAME = "/data/x/A-2024-11-07.zip", "A-2024-11-07.zip"
DATA = bytes(range(256)) * 12_000  # 3 MB: three pieces


class Desk:
    def __init__(self, folder, *hosts, most_bytes=10**9, get=None, waits=100) -> None:
        self.folder = folder
        self.time = FakeTime()
        self.stop = Stop(self.time, waits)
        world = {"fetch": get or fetch(), "clock": self.time.clock, "random": lambda: 1.0, "stop": self.stop}
        self.downloads = Downloads(hosts, folder, most_bytes=most_bytes, **world)

    def file(self):
        return self.downloads.file(PATH)

    def left(self):
        return sorted(path.name for path in self.folder.iterdir())


@pytest.fixture
def there():
    with site() as found:
        found.publish(PATH, DATA)
        yield found


SHA = hashlib.sha256(DATA).hexdigest()


def whole(folder):
    return File(folder / NAME, NAME, SHA, 1_731_000_000_000_000_000)


def test_a_file_that_is_what_was_published(tmp_path, there):
    desk = Desk(tmp_path, there.address)
    assert desk.file() == whole(tmp_path)
    assert (tmp_path / NAME).read_bytes() == DATA
    assert desk.left() == [NAME]
    assert there.asked == [(f"{PATH}.CHECKSUM", ""), (PATH, "")]


def test_a_cut_file_is_gone_on_with_where_it_broke_off(tmp_path, there):
    there.faults[PATH] = [-2_000_000]
    assert Desk(tmp_path, there.address).file().sha256 == SHA
    (_, first, second) = there.asked
    assert first == (PATH, "")
    assert second[1].startswith("bytes=")
    assert second[1] != "bytes=0-"


def test_a_venue_that_knows_no_ranges_is_asked_for_all_of_it(tmp_path, there):
    there.faults[PATH] = [-2_000_000]
    there.knows_ranges = False
    assert Desk(tmp_path, there.address).file() == File(tmp_path / NAME, NAME, SHA, 1_731_000_000_500_000_000)
    assert (tmp_path / NAME).read_bytes() == DATA


def test_a_file_that_is_replaced_while_it_comes_is_begun_anew(tmp_path, there):
    there.faults[PATH] = [-2_000_000, lambda site: site.publish(PATH, DATA[::-1])]
    found = Desk(tmp_path, there.address).file()
    other = hashlib.sha256(DATA[::-1]).hexdigest()
    assert found == Refusal("checksum", f"{NAME} has the sha256 {other}, and {NAME}.CHECKSUM says {SHA}")
    desk = Desk(tmp_path, there.address)
    assert (desk.file().sha256, desk.left()) == (other, [NAME])


def test_a_part_of_another_version_is_not_put_behind_what_has_come(tmp_path, there):
    other = DATA[::-1]
    there.knows_versions = False
    there.faults[PATH] = [-2_000_000, lambda site: site.publish(PATH, other)]
    there.publish(PATH, DATA, sidecar(NAME, other))
    assert Desk(tmp_path, there.address).file().sha256 == hashlib.sha256(other).hexdigest()
    assert [wanted[:6] for _, wanted in there.asked] == ["", "", "bytes=", ""]


def test_a_file_that_is_shorter_now_is_begun_anew(tmp_path, there):
    there.faults[PATH] = [-2_000_000, 416]
    assert Desk(tmp_path, there.address).file().sha256 == SHA
    assert [wanted[:6] for _, wanted in there.asked] == ["", "", "bytes=", ""]


@pytest.mark.parametrize(
    ("told", "detail"),
    [
        (b"0" * 64 + b"  " + NAME.encode(), f"{NAME} has the sha256 {SHA}, and {NAME}.CHECKSUM says {'0' * 64}"),
        (sidecar("B.zip", DATA), f"{NAME}.CHECKSUM is {sidecar('B.zip', DATA)!r}: a sha256 and {NAME} would be right"),
        (b"<html>", f"{NAME}.CHECKSUM is b'<html>': a sha256 and {NAME} would be right"),
        (b"", f"{NAME}.CHECKSUM is b'': a sha256 and {NAME} would be right"),
    ],
)
def test_what_is_not_what_the_checksum_says_is_refused_and_not_kept(tmp_path, there, told, detail):
    there.publish(PATH, DATA, told)
    desk = Desk(tmp_path, there.address)
    assert desk.file() == Refusal("checksum", detail)
    assert desk.left() == []


@pytest.mark.parametrize("write", ["{}  {}\n", "{} *{}\n", "{}  {}", "{}  {}\r\n"])
@pytest.mark.parametrize("case", [str.lower, str.upper])
def test_a_checksum_is_read_as_sha256sum_reads_it(tmp_path, there, write, case):
    there.publish(PATH, DATA, write.format(case(SHA), NAME).encode())
    assert Desk(tmp_path, there.address).file() == whole(tmp_path)


@pytest.mark.parametrize("missing", [PATH, f"{PATH}.CHECKSUM"])
def test_a_file_counts_as_published_when_its_checksum_is(tmp_path, there, missing):
    del there.there[missing]
    desk = Desk(tmp_path, there.address)
    assert desk.file() == Refusal("not_published", f"{missing.rpartition('/')[2]} is not there yet")
    assert (desk.left(), desk.stop.waits) == ([], [])


def test_what_may_pass_is_tried_again_ever_more_slowly(tmp_path, there):
    there.faults[PATH] = [503, 500]
    there.faults[f"{PATH}.CHECKSUM"] = [502]
    desk = Desk(tmp_path, there.address)
    assert desk.file().sha256 == SHA
    assert desk.stop.waits == [0.5, 0.5, 1.0]


def test_what_does_not_pass_is_given_up_for_now(tmp_path, there):
    there.faults[PATH] = [503] * TRIES
    desk = Desk(tmp_path, there.address)
    assert desk.file() == Refusal("failed", f"{NAME}: HTTP 503, {TRIES} times")
    assert desk.left() == []


def test_an_address_that_says_no_is_not_asked_again_but_the_next_one_is(tmp_path, there):
    with site() as closed:
        closed.faults = {path: [403] for path in (PATH, f"{PATH}.CHECKSUM")}
        assert Desk(tmp_path, closed.address, there.address).file().sha256 == SHA
        assert closed.paths == [f"{PATH}.CHECKSUM", PATH]
        closed.faults = {f"{PATH}.CHECKSUM": [451]}
        assert Desk(tmp_path, closed.address).file() == Refusal("failed", f"{NAME}.CHECKSUM: HTTP 451")


def test_a_file_that_one_address_has_not_got_may_be_at_the_next(tmp_path, there):
    with site() as empty:
        assert Desk(tmp_path, empty.address, there.address).file().sha256 == SHA


def test_a_file_for_which_there_is_no_room_is_refused(tmp_path, there):
    desk = Desk(tmp_path, there.address, most_bytes=len(DATA) - 1)
    assert desk.file() == Refusal("failed", f"{NAME}: more than {len(DATA) - 1} bytes, and there is room for no more")
    assert desk.left() == []


def test_a_stop_is_heard_between_two_pieces_and_between_two_tries(tmp_path, there):
    desk = Desk(tmp_path, there.address)
    there.faults[PATH] = [lambda _: desk.stop.set()]
    assert desk.file() == Refusal("failed", "told to stop")
    there.faults[f"{PATH}.CHECKSUM"] = [503, 503]
    desk = Desk(tmp_path, there.address, waits=1)
    assert desk.file() == Refusal("failed", "told to stop")
    assert desk.left() == []


def test_a_line_that_breaks_is_tried_again(tmp_path, there):
    real, errors = fetch(), deque([urllib3.exceptions.ProtocolError("cut"), TimeoutError("slow")])

    def get(url, headers):
        if errors:
            raise errors.popleft()
        return real(url, headers)

    assert Desk(tmp_path, there.address, get=get).file().sha256 == SHA
