from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

from agentchat.visitors import store_digests


def digest(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    sessions = apps.get_model("agentchat", "ChatSession")._default_manager
    store_digests(sessions.using(schema_editor.connection.alias).all())


class Migration(migrations.Migration):
    """Guests' keys become digests, and stay so backwards: code of before does not find the guests' chats.

    Backwards all the same, since `migrate agentchat zero` removes the app.
    """

    dependencies = [("agentchat", "0008_state")]

    operations = [migrations.RunPython(digest, migrations.RunPython.noop)]
