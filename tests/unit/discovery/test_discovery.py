import tidelock.discovery


def test_every_public_name_is_there() -> None:
    for name in tidelock.discovery.__all__:
        assert getattr(tidelock.discovery, name).__name__ == name
