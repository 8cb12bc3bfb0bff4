"""The pages of the site in tests/host_site.py."""

from django.http import HttpRequest, HttpResponse
from django.template import RequestContext, Template
from django.urls import include, path

PAGE = """<!DOCTYPE html>
{% load agentchat %}<html lang="en"><title>Shop</title><link rel="icon" href="/static/agentchat/icon.svg">
<main><h1>Shop</h1>
{% agentchat_widget "assistant" title="Here, in the page" inline=True %}
{% agentchat_widget "weather" %}</main></html>"""


def shop(request: HttpRequest) -> HttpResponse:
    return HttpResponse(Template(PAGE).render(RequestContext(request)))


urlpatterns = [path("shop/", shop), path("", include("chatsite.urls"))]
