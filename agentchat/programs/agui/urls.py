"""The addresses under `/agui/`. `agentchat.urls` has them where `APIS` says so."""

from django.urls import path

from agentchat.programs.agui import views

urlpatterns = [
    path("agui/<str:agent_name>/", views.agent, name="agui_agent"),
    path("agui/<str:agent_name>/<path:thread_id>/events", views.events, name="agui_events"),
]
