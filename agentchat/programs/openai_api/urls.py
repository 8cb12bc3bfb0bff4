"""The addresses under `/v1/`. `agentchat.urls` has them where `APIS` says so."""

from django.urls import path

from agentchat.programs.openai_api import views

urlpatterns = [
    path("v1/models", views.models, name="v1_models"),
    path("v1/models/<str:model_name>", views.model, name="v1_model"),
    path("v1/chat/completions", views.chat_completions, name="v1_chat_completions"),
]
