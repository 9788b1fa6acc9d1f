import pytest

from tidelock.properties import PropertiesError, parse_properties


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a=1\nb: 2\nc 3\n", {"a": "1", "b": "2", "c": "3"}),
        ("# comment\n! other\n\n   a = 1  \n", {"a": "1  "}),
        ("topics = orders, \\\n   returns\n", {"topics": "orders, returns"}),
        ("a=\\u안녕", {"a": None}),
        ("a=\\uc548\\ub155", {"a": "안녕"}),
        ("a=\\ud83d\\ude00", {"a": "😀"}),
        ("key\\ with\\=signs=x\\ty", {"key with=signs": "x\ty"}),
        ("path=C:\\\\dir\\\\\nnext=1", {"path": "C:\\dir\\", "next": "1"}),
        ("empty=\nalone\n", {"empty": "", "alone": ""}),
        ("a=1\r\nb=2\rc=3", {"a": "1", "b": "2", "c": "3"}),
        ("a=first\na=second", {"a": "second"}),
        ("a=b=c:d", {"a": "b=c:d"}),
        ("end=of\\\n", {"end": "of"}),
    ],
)
def test_properties_read_as_java_reads_them(text: str, expected: dict[str, str | None]) -> None:
    if None in expected.values():
        with pytest.raises(PropertiesError, match="hexadecimal"):
            parse_properties(text)
    else:
        assert parse_properties(text) == expected


def test_an_error_names_file_and_line() -> None:
    with pytest.raises(PropertiesError) as caught:
        parse_properties("a=1\n\nb=\\u12", where="x.properties")
    assert caught.value.where == "x.properties, line 3"
