from django.conf import settings
from django.db import DatabaseError, migrations, models, transaction
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps


def forget_last_moments(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """What has ended waits no longer: the index of what waits shall have nothing else."""
    Run = apps.get_model("agentchat", "Run")
    runs = Run.objects.using(schema_editor.connection.alias)
    runs.exclude(waits_until=None).exclude(status__in=["queued", "running", "waiting"]).update(waits_until=None)


TITLES = "agentchat_words_of_titles"


def find_titles_by_their_words(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """What staff search for. SQLite looks at all titles, as does a server that has no pg_trgm, or refuses it to us."""
    if schema_editor.connection.vendor != "postgresql":
        return
    try:
        with transaction.atomic(using=schema_editor.connection.alias), schema_editor.connection.cursor() as cursor:
            cursor.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
            cursor.execute(
                f"CREATE INDEX {TITLES} ON agentchat_chatsession USING gin (upper(title::text) gin_trgm_ops)"
            )
    except DatabaseError:
        pass


def forget_the_words_of_titles(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(f"DROP INDEX IF EXISTS {TITLES}")


class Migration(migrations.Migration):
    dependencies = [
        ("agentchat", "0004_search"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.RunPython(forget_last_moments, migrations.RunPython.noop),
        migrations.RemoveIndex(
            model_name="chatsession",
            name="agentchat_owner_updated",
        ),
        migrations.RemoveIndex(
            model_name="chatsession",
            name="agentchat_guest_updated",
        ),
        migrations.RemoveIndex(
            model_name="chatsession",
            name="agentchat_created",
        ),
        migrations.RemoveIndex(
            model_name="run",
            name="agentchat_ready_runs",
        ),
        migrations.RemoveIndex(
            model_name="run",
            name="agentchat_expiring_runs",
        ),
        migrations.AddIndex(
            model_name="chatsession",
            index=models.Index(
                condition=models.Q(("owner__isnull", False)),
                fields=["owner", "-updated_at", "-id"],
                name="agentchat_of_owner",
            ),
        ),
        migrations.AddIndex(
            model_name="chatsession",
            index=models.Index(
                condition=models.Q(("owner", None)),
                fields=["guest_key", "-updated_at", "-id"],
                name="agentchat_of_guest",
            ),
        ),
        migrations.AddIndex(
            model_name="chatsession",
            index=models.Index(fields=["-created_at", "-id"], name="agentchat_newest"),
        ),
        migrations.AddIndex(
            model_name="run",
            index=models.Index(fields=["status", "queued_at", "id"], name="agentchat_in_line"),
        ),
        migrations.AddIndex(
            model_name="run",
            index=models.Index(
                condition=models.Q(("lease_until__isnull", False)), fields=["lease_until"], name="agentchat_leased"
            ),
        ),
        migrations.AddIndex(
            model_name="run",
            index=models.Index(
                condition=models.Q(("waits_until__isnull", False)), fields=["waits_until"], name="agentchat_expiring"
            ),
        ),
        migrations.AddIndex(
            model_name="run",
            index=models.Index(fields=["-queued_at", "-id"], name="agentchat_newest_runs"),
        ),
        migrations.AddIndex(
            model_name="run",
            index=models.Index(fields=["error_id"], name="agentchat_run_error"),
        ),
        migrations.AddIndex(
            model_name="feedback",
            index=models.Index(fields=["-updated_at", "-id"], name="agentchat_newest_feedback"),
        ),
        migrations.RunPython(find_titles_by_their_words, forget_the_words_of_titles),
    ]
