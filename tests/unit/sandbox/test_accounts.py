from synadmin.ids import UserId
from synadmin.sandbox.accounts import Person


def test_a_person_shows_who_it_is_and_not_the_token() -> None:
    person = Person("http://127.0.0.1:8008", UserId("@alice:club.example"), "syt_secret")
    assert repr(person) == "Person('@alice:club.example')"
    assert "syt_secret" not in repr(person.synapse)
    person.close()


def test_a_person_is_on_the_server_that_the_user_id_names() -> None:
    person = Person("http://127.0.0.1:8008", UserId("@alice:localhost:8448"), "token")
    assert person.server_name == "localhost:8448"
    person.close()
