"""Where the bytes of files are: a storage of Django's, `STORAGES["agentchat"]`, as django-storages has many.

Without one, a folder of the project that no server serves: `agentchat_files` in BASE_DIR. A file has a folder of its
own in the storage, named by its id: no name of a user ever becomes a path. Functions block, and raise what the storage
raises.
"""

from contextlib import suppress
from pathlib import Path
from typing import IO, Any, cast
from uuid import UUID

from django.conf import settings
from django.core.files import File as DjangoFile
from django.core.files.storage import FileSystemStorage, Storage, storages

ALIAS = "agentchat"
FOLDER = "agentchat_files"


def storage() -> Storage:
    """The storage of files."""
    if ALIAS in settings.STORAGES:
        return storages[ALIAS]
    base = Path(getattr(settings, "BASE_DIR", "."))
    return FileSystemStorage(
        location=base / FOLDER, base_url="/", file_permissions_mode=0o600, directory_permissions_mode=0o700
    )


def folder_of(file_id: UUID) -> str:
    """The folder of a file: not too many in one."""
    return f"{file_id.hex[:2]}/{file_id}"


def save(name: str, content: IO[bytes]) -> str:
    """Save the content from its beginning. Return the name that the storage gave it."""
    content.seek(0)
    return str(storage().save(name, DjangoFile(content)))


def open_stored(name: str) -> IO[bytes]:
    """Open what is stored under a name. Raise FileNotFoundError if it is gone."""
    return cast(IO[bytes], storage().open(name, "rb"))


def delete(*names: str) -> None:
    """Delete what is stored under these names; what is gone already is fine."""
    where = storage()
    for name in names:
        with suppress(FileNotFoundError):
            where.delete(name)


def delete_folder(file_id: UUID, known: list[str]) -> None:
    """Delete all that is stored of a file: what is known of it, and what a process has left that died over it."""
    where, folder = storage(), folder_of(file_id)
    names = {each for each in known if each}
    with suppress(NotImplementedError, FileNotFoundError, NotADirectoryError):  # not every storage lists
        names |= {f"{folder}/{each}" for each in where.listdir(folder)[1]}
    delete(*names)
    if isinstance(where, FileSystemStorage):
        with suppress(OSError):  # not empty: somebody is writing into it, and another round comes
            where.delete(folder)


def is_served(where: Any) -> bool:
    """Whether a storage keeps its files where the site serves what is in MEDIA_ROOT or STATIC_ROOT to everybody."""
    if not isinstance(where, FileSystemStorage):
        return False
    location = Path(where.location).resolve()
    served = [Path(each).resolve() for each in (settings.MEDIA_ROOT, settings.STATIC_ROOT) if each]
    return any(location == each or each in location.parents for each in served)
