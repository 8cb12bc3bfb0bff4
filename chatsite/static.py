"""Static files, served by the application itself: no second server to set up, and none in development either.

WhiteNoise finds the files, compresses them and names them after their content. Three things are ours: bodies that an
ASGI server can send, module scripts that import one another by those names, and our scripts without their comments:
what explains them need not travel. In development they are served as they are written.
"""

from pathlib import Path, PurePath
from typing import Any

from django.core.files.base import ContentFile
from django.http import HttpRequest, HttpResponse
from rjsmin import jsmin
from whitenoise.middleware import WhiteNoiseMiddleware
from whitenoise.storage import CompressedManifestStaticFilesStorage


class StaticFilesMiddleware(WhiteNoiseMiddleware):  # type: ignore[misc]  # WhiteNoise has no types
    """WhiteNoise, with whole bodies."""

    def add_files(self, root: str, prefix: str | None = None) -> None:
        # Before `collectstatic` there is no folder. A page that misses its files says so; a command need not.
        if Path(root).is_dir():
            super().add_files(root, prefix)

    @staticmethod
    def serve(static_file: Any, request: HttpRequest) -> HttpResponse:
        # WhiteNoise streams from an open file, which Django under ASGI reads into memory too, with a warning.
        found = static_file.get_response(request.method, request.META)
        if found.file is None:
            body = b""
        else:
            with found.file as file:
                body = file.read()
        response = HttpResponse(body, status=int(found.status))
        del response["Content-Type"]  # the headers found have the file's own, if it has one
        for name, value in found.headers:
            response[name] = value
        return response


class HashedStaticFilesStorage(CompressedManifestStaticFilesStorage):  # type: ignore[misc]
    """Names with a hash of the content, so that browsers may keep a file for ever; also within `import … from`."""

    support_js_module_import_aggregation = True

    def _save(self, name: str, content: Any) -> str:
        if PurePath(name).match("agentchat/js/*.js"):
            content = ContentFile(jsmin(b"".join(content.chunks()).decode()).encode())
        saved: str = super()._save(name, content)
        return saved
