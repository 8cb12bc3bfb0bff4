"""The pages' addresses. Mount them at the root of a site: `path("", include("agentchat.urls"))`."""

from django.urls import path

from agentchat import views

app_name = "agentchat"

urlpatterns = [
    path("", views.index, name="index"),
    path("chat/", views.chats, name="chats"),
    path("chat/<uuid:chat_id>/", views.chat, name="chat"),
    path("chat/<uuid:chat_id>/events", views.events, name="events"),
    path("healthz", views.healthz, name="healthz"),
    path("readyz", views.readyz, name="readyz"),
]
