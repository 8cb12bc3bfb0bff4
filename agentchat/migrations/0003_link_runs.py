from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps
from django.db.models import OuterRef, Subquery


def link_runs(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Until now every run went on where the one before it ended."""
    database = schema_editor.connection.alias
    runs = apps.get_model("agentchat", "Run").objects.using(database)
    chats = apps.get_model("agentchat", "ChatSession").objects.using(database)
    before = None
    for run in runs.order_by("session_id", "number").only("id", "session_id", "number").iterator():
        if before is not None and before.session_id == run.session_id:
            runs.filter(pk=run.pk).update(parent=before.pk)
        before = run
    last = runs.filter(session=OuterRef("pk")).order_by("-number").values("pk")[:1]
    chats.update(head=Subquery(last))


class Migration(migrations.Migration):
    dependencies = [("agentchat", "0002_branches_shares_feedback")]

    operations = [migrations.RunPython(link_runs, migrations.RunPython.noop)]
