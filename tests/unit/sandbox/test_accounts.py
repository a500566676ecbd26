from synadmin.ids import UserId
from synadmin.sandbox.accounts import Person


def test_account_repr_has_no_token() -> None:
    person = Person("http://127.0.0.1:8008", UserId("@alice:club.example"), "syt_secret")
    assert repr(person) == "Person('@alice:club.example')"
    assert "syt_secret" not in repr(person.synapse)
    person.close()


def test_account_is_on_the_server_of_its_user_id() -> None:
    person = Person("http://127.0.0.1:8008", UserId("@alice:localhost:8448"), "token")
    assert person.server_name == "localhost:8448"
    person.close()
