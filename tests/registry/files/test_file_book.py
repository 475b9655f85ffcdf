"""Users have the files that they uploaded, as many as they may, and nobody else's."""

import threading

import pytest

from modelyard.registry.database import Database
from modelyard.registry.files.file_book import FileBook, FileFilter, FileRoom
from modelyard.registry.files.user_file import FilePurpose, FilesFull, UnknownFile
from modelyard.registry.identity.caller import Role
from modelyard.registry.identity.identity import Identity
from tests.registry.files.stored import added, earlier, file_of


def test_another_users_file_is_none(db: Database) -> None:
    """Word for word."""
    book = FileBook(db)
    file = added(db, "ada")
    assert book.get(file.id, "ada") == file
    told = []
    for file_id, user in ((file.id, "bob"), ("file-none", "ada")):
        with pytest.raises(UnknownFile) as refused:
            book.get(file_id, user)
        told.append(str(refused.value).replace(file_id, "it"))
    assert told[0] == told[1]
    with pytest.raises(UnknownFile):
        book.list("bob", FileFilter(after=file.id))
    assert book.list("bob", FileFilter()) == []


def test_files_are_listed_by_their_time(db: Database) -> None:
    """Page by page, both ways, of one purpose or all."""
    book = FileBook(db)
    files = [added(db, "ada", **earlier(100 - n)) for n in range(3)]
    output = added(db, "ada", purpose=FilePurpose.BATCH_OUTPUT, **earlier(1))
    newest = book.list("ada", FileFilter(most=2))
    assert newest == [output, files[2]]
    assert book.list("ada", FileFilter(after=files[2].id)) == [files[1], files[0]]
    oldest = FileFilter(after=files[0].id, newest_first=False, most=2)
    assert book.list("ada", oldest) == files[1:]
    assert book.list("ada", FileFilter(purpose="batch_output")) == [output]


def test_a_user_keeps_no_more_than_it_may(db: Database) -> None:
    """In bytes and in number; another user's count for nothing."""
    book = FileBook(db)
    room = FileRoom(25, most_files=3)
    added(db, "bob", size=10**6)
    book.add(file_of("ada"), room)
    book.add(file_of("ada"), room)
    with pytest.raises(FilesFull, match="MODELYARD_USER_FILES_GB"):
        book.add(file_of("ada"), room)
    with pytest.raises(FilesFull):
        book.check("ada", 6, room)
    book.check("ada", 5, room)
    book.add(file_of("ada", size=1), room)
    with pytest.raises(FilesFull, match="3 files"):
        book.check("ada", 1, room)


def test_files_that_come_at_once_are_counted_one_after_the_other(db: Database) -> None:
    """Ten at the same moment where there is room for four: four are kept."""
    user_id = Identity(db, "s" * 40).create_user("ada", Role.USER).id
    book = FileBook(db)
    kept: list[str] = []

    def add() -> None:
        file = file_of(user_id)
        try:
            book.add(file, FileRoom(40))
        except FilesFull:
            return
        kept.append(file.id)

    threads = [threading.Thread(target=add) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(kept) == len(book.list(user_id, FileFilter())) == 4
