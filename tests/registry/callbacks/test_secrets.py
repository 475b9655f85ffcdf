"""A signing secret is shown once, replaced with an overlap, and worth nothing in the database."""

from datetime import timedelta

import pytest
from sqlalchemy import select, update

from modelyard.registry.callbacks.sealing import Seal
from modelyard.registry.callbacks.secrets import MOST, OVERLAP, CallbackSecrets
from modelyard.registry.callbacks.tables import CallbackSecretRow
from modelyard.registry.database import Database, utc_now
from modelyard.registry.errors import SecretUnreadable, TooManySecrets, UnknownCallback
from modelyard.registry.secrets import callback_key

KEY = callback_key("s" * 40)


def test_a_new_secret_signs_beside_the_one_before(db: Database) -> None:
    """For a day; then only the new one does."""
    secrets = CallbackSecrets(db, Seal(KEY))
    first, first_text = secrets.make("ada")
    assert first.expires_at is None
    assert secrets.signing("ada") == [first_text]
    second, second_text = secrets.make("ada")
    assert secrets.signing("ada") == [second_text, first_text]
    newest, oldest = secrets.of("ada")
    assert (newest.id, newest.expires_at) == (second.id, None)
    assert oldest.expires_at is not None
    assert abs(oldest.expires_at - utc_now() - OVERLAP) < timedelta(minutes=5)
    with db.begin() as session:
        expired = update(CallbackSecretRow).where(CallbackSecretRow.id == first.id)
        session.execute(expired.values(expires_at=utc_now()))
    assert secrets.signing("ada") == [second_text]


def test_secrets_are_of_one_user(db: Database) -> None:
    """Another's is as unknown as a missing one, and a user without any has one nobody can read."""
    secrets = CallbackSecrets(db, Seal(KEY))
    made, text = secrets.make("ada")
    (unseen,) = secrets.signing("bob")
    assert unseen.startswith("whsec_")
    assert unseen not in (text, secrets.signing("eve")[0])
    assert secrets.signing("bob") == [unseen]
    told = list[str]()
    for secret_id in (made.id, "0" * 36):
        with pytest.raises(UnknownCallback) as refusal:
            secrets.end("bob", secret_id)
        told.append(str(refusal.value).replace(secret_id, "ID"))
    assert told[0] == told[1]
    secrets.end("ada", made.id)
    assert secrets.of("ada") == []


def test_so_many_hold_at_once(db: Database) -> None:
    secrets = CallbackSecrets(db, Seal(KEY))
    made = [secrets.make("ada")[0] for _ in range(MOST)]
    with pytest.raises(TooManySecrets):
        secrets.make("ada")
    secrets.end("ada", made[0].id)
    secrets.make("ada")


def test_what_is_stored_is_sealed(db: Database) -> None:
    """For one row of one user, by the key of this installation."""
    secrets = CallbackSecrets(db, Seal(KEY))
    _, text = secrets.make("ada")
    bob, _ = secrets.make("bob")
    with db.begin() as session:
        stored = session.scalars(select(CallbackSecretRow.secret)).all()
        assert not any(text[6:20] in sealed for sealed in stored)
        adas = session.scalar(select(CallbackSecretRow).where(CallbackSecretRow.user_id == "ada"))
        assert adas is not None
        session.get_one(CallbackSecretRow, bob.id).secret = adas.secret
    with pytest.raises(SecretUnreadable):
        secrets.signing("bob")
    with pytest.raises(SecretUnreadable):
        CallbackSecrets(db, Seal(callback_key("t" * 40))).signing("ada")
    assert text not in repr(secrets)
