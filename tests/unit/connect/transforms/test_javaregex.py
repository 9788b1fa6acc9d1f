import pytest

from tidelock.connect.transforms.javaregex import compile_java, expand


@pytest.mark.parametrize(
    ("pattern", "whole", "other"),
    [
        (r"\Qa+b\E", "a+b", "aab"),
        (r"\p{Lu}+", "ÀB", "àb"),
        (r"\P{Digit}", "x", "5"),
        (r"[\p{Alpha}_]+", "ab_", "5"),
        (r"(?<a>x)\k<a>", "xx", "xy"),
        (r"\d+", "12", "١٢"),
        (r"[]a]", "]", "b"),
        (r"a\Rb", "a\r\nb", "ab"),
        (r"x\z", "x", "x\n"),
        (r"(?<=a)?b", "b", "c"),
        (r"[^\p{Punct}]", "a", "!"),
        (r"\0101", "A", "B"),
        (r"[a&|~]", "&", "b"),
    ],
)
def test_java_patterns_match_as_in_java(pattern: str, whole: str, other: str) -> None:
    assert compile_java(pattern).fullmatch(whole)
    assert not compile_java(pattern).fullmatch(other)


@pytest.mark.parametrize(
    "pattern",
    ["(", "[a", r"\p{Nope}", r"\G", r"\X", "[a&&b]", "[a[b]]", r"\p", r"\k", r"[\P{Alpha}]", r"\x{110000}"],
)
def test_what_python_has_not_got_is_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        compile_java(pattern)


def test_groups_are_named_and_numbered_in_replacements() -> None:
    match = compile_java("(?<a>.)(.)").match("xy")
    assert match is not None
    assert expand(match, r"$2${a}\$$0$21") == "yx$xyy1"
    for wrong in ("$", "$x", "${b}", "$3", "\\"):
        with pytest.raises(ValueError, match=r"."):
            expand(match, wrong)
