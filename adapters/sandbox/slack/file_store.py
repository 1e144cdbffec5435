"""Uploaded files, in memory: an upload URL is handed out, filled once, and the file is shared."""

import hmac
import mimetypes
import secrets
from dataclasses import dataclass, replace

MAX_FILE_BYTES = 16 * 1024 * 1024
MAX_FILES = 64


@dataclass(frozen=True, slots=True)
class File:
    """A file. `data` is None until it was uploaded, `secret` is the end of its upload URL."""

    id: str
    name: str
    title: str
    secret: str
    data: bytes | None = None

    @property
    def mimetype(self) -> str:
        """Guessed from the name."""
        return mimetypes.guess_type(self.name)[0] or "application/octet-stream"


class FileStore:
    """At most MAX_FILES files; the oldest gives way."""

    def __init__(self) -> None:
        self._files: dict[str, File] = {}

    def reserve(self, name: str) -> File:
        """A new file without content."""
        while len(self._files) >= MAX_FILES:
            del self._files[next(iter(self._files))]
        file = File(
            id="F" + secrets.token_hex(5).upper(),
            name=name,
            title=name,
            secret=secrets.token_urlsafe(24),
        )
        self._files[file.id] = file
        return file

    def waiting_for(self, secret: str) -> File | None:
        """The file whose content may be uploaded with `secret`."""
        for file in self._files.values():
            if file.data is None and hmac.compare_digest(file.secret.encode(), secret.encode()):
                return file
        return None

    def fill(self, file: File, data: bytes) -> None:
        """Keep the content of a reserved file."""
        self._files[file.id] = replace(file, data=data)

    def get(self, file_id: str) -> File | None:
        """A file by its id."""
        return self._files.get(file_id)

    def rename(self, file: File, title: str) -> File:
        """Give a file its title."""
        self._files[file.id] = replace(file, title=title)
        return self._files[file.id]
