"""Every reader of text and bytes from outside: arbitrary input is read or refused with the declared error."""

from hypothesis import given
from hypothesis import strategies as st

from tests.unit.connect.runtime.fakes import FakeMessage, Noting
from tidelock.connect.api import ConnectError
from tidelock.connect.converters.json import JsonConverter
from tidelock.connect.converters.simple_header import SimpleHeaderConverter
from tidelock.connect.converters.string import StringConverter
from tidelock.connect.runtime.batching import Batcher
from tidelock.connect.runtime.reporting import Reporter, ReportOptions
from tidelock.properties import PropertiesError, parse_properties

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


def escaped(text: str) -> str:
    """Write a key or value as Java's Properties.store does."""
    special = {
        "\\": "\\\\",
        "\n": "\\n",
        "\r": "\\r",
        "\t": "\\t",
        "\f": "\\f",
        "=": "\\=",
        ":": "\\:",
        " ": "\\ ",
    }
    return "".join(special.get(one, "\\" + one if one in "#!" else one) for one in text)


@given(st.dictionaries(TEXT, TEXT, max_size=6))
def test_properties_come_back_as_they_were_stored(values: dict[str, str]) -> None:
    text = "".join(f"{escaped(name)}={escaped(value)}\n" for name, value in values.items())
    assert parse_properties(text) == values


@given(st.text(max_size=200))
def test_any_text_is_properties_or_refused(text: str) -> None:
    try:
        found = parse_properties(text)
    except PropertiesError:
        return
    assert all(isinstance(name, str) and isinstance(value, str) for name, value in found.items())


PAYLOADS = (
    st.none()
    | st.binary(max_size=20)
    | st.sampled_from(
        [
            b'{"schema":null,"payload":1}',
            b'{"schema":{"type":"int32"},"payload":1}',
            b'{"schema":{"type":"struct","fields":[{"type":"int32","field":"a"}]},"payload":{"a":1}}',
        ]
    )
)
MESSAGES = st.lists(st.tuples(st.integers(0, 2), PAYLOADS, st.none() | st.binary(max_size=4)), max_size=12)


@given(MESSAGES)
def test_batches_hold_every_usable_record_once_and_in_order(
    given_messages: list[tuple[int, bytes | None, bytes | None]],
) -> None:
    messages = [
        FakeMessage(at, payload, partition_number=partition, key_bytes=key)
        for at, (partition, payload, key) in enumerate(given_messages)
    ]
    noting = Noting()
    batcher = Batcher(StringConverter(), JsonConverter(), SimpleHeaderConverter(), noting)
    batches = batcher.batches(messages)
    skipped = [one.offset for one in noting.skipped]
    for batch in batches:
        assert len(batch.offsets) == len(batch.keys) == len(batch.values) > 0
    for partition in range(3):
        offsets = [one for batch in batches if batch.partition == partition for one in batch.offsets]
        expected = [one.at for one in messages if one.partition_number == partition and one.at not in skipped]
        assert offsets == expected
    strict = Batcher(
        StringConverter(), JsonConverter(), SimpleHeaderConverter(), Reporter(ReportOptions("c"))
    )
    refused = False
    try:
        strict.batches(messages)
    except ConnectError:
        refused = True
    assert refused == bool(skipped)
