"""The application that daphne serves: pages over HTTP, chats over websockets, and the runs behind both.

The websockets need no middleware for sessions or users: a consumer looks up its visitor itself, and again while the
socket is open.
"""

import os

from channels.routing import ProtocolTypeRouter, URLRouter
from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "chatsite.settings")
pages = get_asgi_application()  # sets up Django: the imports below need its models

from agentchat import server  # noqa: E402
from agentchat.routing import ExactOriginValidator, websocket_urlpatterns  # noqa: E402

chats = ExactOriginValidator(URLRouter(websocket_urlpatterns))

application = server.serve(ProtocolTypeRouter({"http": pages, "websocket": chats}))
