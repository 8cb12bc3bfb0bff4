"""Static files, served by the application itself: no second server to set up, and none in development either.

WhiteNoise finds the files, compresses them and names them by their content. This adds three things: bodies that an ASGI
server can send, module scripts that import one another by those names, and the app's scripts without their comments. In
development they are served as they are.
"""

from collections.abc import Callable
from inspect import isawaitable
from pathlib import Path, PurePath
from typing import Any

from asgiref.sync import iscoroutinefunction, markcoroutinefunction, sync_to_async
from django.core.files.base import ContentFile
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from rjsmin import jsmin
from whitenoise.middleware import WhiteNoiseMiddleware
from whitenoise.storage import CompressedManifestStaticFilesStorage

from agentchat.storage import HashedModules


class StaticFilesMiddleware(WhiteNoiseMiddleware):  # type: ignore[misc]  # WhiteNoise has no types
    """WhiteNoise, with complete bodies instead of open files, and without a thread for requests that wait."""

    sync_capable = async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Any], *args: Any, **kwargs: Any) -> None:
        super().__init__(get_response, *args, **kwargs)
        if iscoroutinefunction(get_response):
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> Any:
        return self._respond_async(request) if iscoroutinefunction(self) else super().__call__(request)

    async def _respond_async(self, request: HttpRequest) -> HttpResponseBase:
        # Files are looked for and read in a thread; where there is none, what it returns is still to be awaited.
        answer: Any = await sync_to_async(super().__call__)(request)
        response: HttpResponseBase = await answer if isawaitable(answer) else answer
        return response

    def add_files(self, root: str, prefix: str | None = None) -> None:
        # Before `collectstatic` there is no folder. That is an error for pages, but not for commands.
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
        del response["Content-Type"]  # the headers have the file's own, if it has one
        for name, value in found.headers:
            response[name] = value
        return response


class HashedStaticFilesStorage(HashedModules, CompressedManifestStaticFilesStorage):  # type: ignore[misc]
    """Names with a hash of the content, so that browsers can cache files forever; also within `import … from`."""

    def _save(self, name: str, content: Any) -> str:
        if PurePath(name).match("agentchat/js/*/*.js"):
            content = ContentFile(jsmin(b"".join(content.chunks()).decode()).encode())
        saved: str = super()._save(name, content)
        return saved
