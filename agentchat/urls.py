"""The pages' addresses. Mount them at the root of a site: `path("", include("agentchat.urls"))`."""

from django.urls import path
from django.views.i18n import set_language

from agentchat import chat_views, embed, looks, views

app_name = "agentchat"

urlpatterns = [
    path("", views.index, name="index"),
    path("chat/", views.chats, name="chats"),
    path("chat/<uuid:chat_id>/", views.chat, name="chat"),
    path("chat/<uuid:chat_id>/earlier", views.earlier, name="earlier"),
    path("chat/<uuid:chat_id>/events", views.events, name="events"),
    path("embed/<str:agent_name>/", embed.start, name="embed"),
    path("embed/chat/<uuid:chat_id>/", embed.chat, name="embedded_chat"),
    path("chat/<uuid:chat_id>/options/", chat_views.options, name="options"),
    path("chat/<uuid:chat_id>/rename/", chat_views.rename, name="rename"),
    path("chat/<uuid:chat_id>/delete/", chat_views.delete, name="delete"),
    path("chat/<uuid:chat_id>/take-back/", chat_views.take_back, name="take_back"),
    path("chat/<uuid:chat_id>/export.md", chat_views.export_markdown, name="export_markdown"),
    path("chat/<uuid:chat_id>/export.json", chat_views.export_json, name="export_json"),
    path("chat/<uuid:chat_id>/share/", chat_views.share, name="share"),
    path("share/<str:token>/", chat_views.shared, name="shared"),
    path("chat/my-data/", chat_views.my_data, name="my_data"),
    path("chat/my-data/download", chat_views.my_data_download, name="my_data_download"),
    path("chat/my-data/delete/", chat_views.my_data_delete, name="my_data_delete"),
    path("language/", set_language, name="set_language"),
    path("appearance/", looks.set_appearance, name="set_appearance"),
    path("healthz", views.healthz, name="healthz"),
    path("readyz", views.readyz, name="readyz"),
]
