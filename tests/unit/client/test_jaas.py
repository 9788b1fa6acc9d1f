import pytest

from tidelock.client.jaas import parse_jaas

PLAIN = "org.apache.kafka.common.security.plain.PlainLoginModule"
SCRAM = "org.apache.kafka.common.security.scram.ScramLoginModule"
OAUTH = "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule"


@pytest.mark.parametrize(
    ("line", "module", "options"),
    [
        (
            f'{PLAIN} required username="alice" password="a;b \\"c\\" \\\\d";',
            "PlainLoginModule",
            {"sasl.username": "alice", "sasl.password": 'a;b "c" \\d'},
        ),
        (
            f"{SCRAM} required\n  username='bob'\n  password=secret ;  ",
            "ScramLoginModule",
            {"sasl.username": "bob", "sasl.password": "secret"},
        ),
        (f'{PLAIN} required serviceName="kafka";', "PlainLoginModule", {}),
        (
            f'{OAUTH} required clientId="id" clientSecret="s" scope="kafka";',
            "OAuthBearerLoginModule",
            {
                "sasl.oauthbearer.client.id": "id",
                "sasl.oauthbearer.client.secret": "s",
                "sasl.oauthbearer.scope": "kafka",
            },
        ),
    ],
)
def test_a_login_line_becomes_keys(line: str, module: str, options: dict[str, str]) -> None:
    assert parse_jaas(line) == (module, options)


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("", "is not of the form"),
        (f'{PLAIN} required username="a"', "is not of the form"),
        (f"{PLAIN} always username=a;", "control flag"),
        ("com.example.Own required a=b;", "login module Own"),
        (f'{PLAIN} required username "hush";', "something behind 0 options"),
    ],
)
def test_a_wrong_login_line_is_refused_without_showing_it(line: str, why: str) -> None:
    with pytest.raises(ValueError, match=why) as caught:
        parse_jaas(line)
    assert "hush" not in str(caught.value)
