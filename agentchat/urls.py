"""The URLs of the pages. Mount them wherever you like: `path("", include("agentchat.urls"))`.

Each view decides by itself who may see it, so Django's LoginRequiredMiddleware leaves it to them: a shared link is for
everyone, and a load balancer has no account. While the database is unavailable, each answers 503.
"""

from collections.abc import Callable
from functools import partial
from importlib import import_module

from django.contrib.auth.decorators import login_not_required
from django.http.response import HttpResponseBase
from django.urls import URLPattern
from django.urls import path as django_path
from django.views.i18n import set_language

from agentchat import conf
from agentchat.errors import ConfigError
from agentchat.web import appearance
from agentchat.web.unavailable import available_again_soon
from agentchat.web.views import (
    account_data,
    chat,
    chat_actions,
    chats,
    embed,
    files,
    handovers,
    health,
    inbox,
    sharing,
    usage,
    whole_events,
)

app_name = "agentchat"


def path(route: str, view: Callable[..., HttpResponseBase], *, name: str) -> URLPattern:
    return django_path(route, login_not_required(available_again_soon(view)), name=name)


urlpatterns = [
    path("", chats.index, name="index"),
    path("chat/", chats.chats, name="chats"),
    path("chat/older", chats.older, name="older_chats"),
    path("chat/<uuid:chat_id>/", chat.chat, name="chat"),
    path("chat/<uuid:chat_id>/earlier", chat.earlier, name="earlier"),
    path("chat/<uuid:chat_id>/events", chat.events, name="events"),
    path("chat/<uuid:chat_id>/events/<int:seq>", whole_events.event, name="event"),
    path("chat/<uuid:chat_id>/events/<int:seq>.txt", whole_events.event_text, name="event_text"),
    path("chat/<uuid:chat_id>/files/<uuid:file_id>", files.file, name="file"),
    path("chat/<uuid:chat_id>/files/<uuid:file_id>/thumbnail", files.thumbnail, name="thumbnail"),
    path("uploads/", files.begin_upload, name="begin_upload"),
    path("uploads/<uuid:file_id>", files.upload, name="upload"),
    path("uploads/<uuid:file_id>/thumbnail", files.upload_thumbnail, name="upload_thumbnail"),
    path("embed/<str:agent_name>/", embed.start, name="embed"),
    path("embed/chat/<uuid:chat_id>/", embed.chat, name="embedded_chat"),
    path("embed/chat/<uuid:chat_id>/events/<int:seq>.txt", whole_events.event_text, name="event_text_in_frame"),
    path("embed/chat/<uuid:chat_id>/files/<uuid:file_id>", files.file, name="file_in_frame"),
    path("embed/chat/<uuid:chat_id>/files/<uuid:file_id>/thumbnail", files.thumbnail, name="thumbnail_in_frame"),
    path("chat/<uuid:chat_id>/options/", chat_actions.options, name="options"),
    path("chat/<uuid:chat_id>/rename/", chat_actions.rename, name="rename"),
    path("chat/<uuid:chat_id>/delete/", chat_actions.delete, name="delete"),
    path("chat/<uuid:chat_id>/take-back/", chat_actions.restore, name="take_back"),
    path("chat/<uuid:chat_id>/export.md", chat_actions.export_markdown, name="export_markdown"),
    path("chat/<uuid:chat_id>/export.json", chat_actions.export_json, name="export_json"),
    path("chat/<uuid:chat_id>/share/", sharing.share, name="share"),
    path("share/<str:token>/", sharing.shared, name="shared"),
    path("share/<str:token>/events/<int:seq>.txt", whole_events.shared_event_text, name="shared_event_text"),
    path("share/<str:token>/files/<uuid:file_id>", files.shared_file, name="shared_file"),
    path("share/<str:token>/files/<uuid:file_id>/thumbnail", files.shared_thumbnail, name="shared_thumbnail"),
    path("chat/usage/", usage.usage, name="usage"),
    path("chat/my-data/", account_data.my_data, name="my_data"),
    path("chat/my-data/download", account_data.my_data_download, name="my_data_download"),
    path("chat/my-data/delete/", account_data.my_data_delete, name="my_data_delete"),
    path("inbox/", inbox.inbox, name="inbox"),
    path("inbox/<int:question_id>/", inbox.question, name="inbox_question"),
    path("inbox/chats/<uuid:chat_id>/", handovers.chat, name="inbox_chat"),
    path("inbox/chats/<uuid:chat_id>/export.md", handovers.export_markdown, name="inbox_export_markdown"),
    path("inbox/chats/<uuid:chat_id>/export.json", handovers.export_json, name="inbox_export_json"),
    path("inbox/chats/<uuid:chat_id>/earlier", handovers.earlier, name="inbox_earlier"),
    path("inbox/chats/<uuid:chat_id>/events/<int:seq>.txt", handovers.event_text, name="inbox_event_text"),
    path("inbox/chats/<uuid:chat_id>/files/<uuid:file_id>", files.inbox_file, name="inbox_file"),
    path("inbox/chats/<uuid:chat_id>/files/<uuid:file_id>/thumbnail", files.inbox_thumbnail, name="inbox_thumbnail"),
    path("language/", partial(set_language), name="set_language"),
    path("appearance/", appearance.set_appearance, name="set_appearance"),
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
]


def _of_programs() -> list[URLPattern]:
    """The addresses of the APIs that are set, and the page of their keys. Nothing of the others is imported."""
    try:
        apis = conf.app.apis
    except ConfigError:
        return []  # a system check says so
    if not apis:
        return []
    from agentchat.web.views import api_keys

    found = [path("chat/keys/", api_keys.keys, name="api_keys")]
    for api in apis:
        found += import_module(f"agentchat.programs.{_PACKAGES[api]}.urls").urlpatterns
    return found


_PACKAGES = {"openai": "openai_api", "agui": "agui"}

urlpatterns += _of_programs()
