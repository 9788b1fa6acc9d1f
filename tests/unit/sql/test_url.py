"""Addresses of databases, as people and as connector configurations write them."""

import pytest
from sqlalchemy.engine import URL

from tidelock.sql.errors import UnsupportedDatabase
from tidelock.sql.url import parse_url, shown


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("sqlite:///shop.db", "sqlite+pysqlite:///shop.db"),
        ("jdbc:sqlite:/data/shop.db", "sqlite+pysqlite:////data/shop.db"),
        ("jdbc:sqlite:shop.db?journal_mode=WAL", "sqlite+pysqlite:///shop.db"),
        ("postgres://a:b@h/shop", "postgresql+psycopg://a:b@h/shop"),
        ("postgresql+psycopg2://a:b@h/shop", "postgresql+psycopg://a:b@h/shop"),
        ("jdbc:postgresql://h:5433/shop?user=a&password=b", "postgresql+psycopg://a:b@h:5433/shop"),
        ("jdbc:postgresql:shop", "postgresql+psycopg://localhost/shop"),
        (
            "jdbc:postgresql://h/shop?currentSchema=x&reWriteBatchedInserts=true&sslmode=require",
            "postgresql+psycopg://h/shop?options=-csearch_path%3Dx&sslmode=require",
        ),
        ("jdbc:mysql://a:b%40c@h:3307/shop?useSSL=false", "mysql+pymysql://a:b%40c@h:3307/shop"),
        ("jdbc:mariadb://h/shop?rewriteBatchedStatements=true", "mariadb+pymysql://h/shop"),
        ("mysql://h/shop", "mysql+pymysql://h/shop"),
    ],
)
def test_sqlalchemy_and_jdbc_urls_are_read(text: str, expected: str) -> None:
    assert parse_url(text).render_as_string(hide_password=False) == expected


def test_user_and_password_of_the_configuration_win() -> None:
    url = parse_url("jdbc:postgresql://old:older@h/shop", user="u", password="p@:/w")
    assert (url.username, url.password) == ("u", "p@:/w")


@pytest.mark.parametrize("text", ["oracle://h/x", "jdbc:oracle:thin:@h:1521:x", "nonsense", "jdbc:", ""])
def test_what_is_not_spoken_is_refused_with_examples(text: str) -> None:
    with pytest.raises(UnsupportedDatabase) as error:
        parse_url(text)
    assert "sqlite:///" in str(error.value)


def test_a_bare_file_name_gets_the_url_to_use() -> None:
    with pytest.raises(UnsupportedDatabase, match=r"use sqlite:///shop\.db"):
        parse_url("shop.db")


@pytest.mark.parametrize(
    "text",
    [
        "postgresql://ann:hunter2@h/shop",
        "jdbc:mysql://ann:hunter2@h/shop",
        "jdbc:postgresql://h/shop?user=ann&password=hunter2",
    ],
)
def test_passwords_never_show(text: str) -> None:
    url = parse_url(text)
    assert isinstance(url, URL)
    assert "hunter2" not in f"{shown(text)} {url} {url!r}"


@pytest.mark.parametrize("text", ["jdbc:postgresql://ann:hunter2@h:port/shop", "ann:hunter2@host"])
def test_passwords_never_show_in_an_error(text: str) -> None:
    with pytest.raises(UnsupportedDatabase) as error:
        parse_url(text)
    assert "hunter2" not in str(error.value)
