from django.db import migrations, models

from agentchat import search_index


def install(apps, schema_editor):
    search_index.install(schema_editor.connection)


def remove(apps, schema_editor):
    search_index.remove(schema_editor.connection)


class Migration(migrations.Migration):
    dependencies = [("agentchat", "0003_link_runs")]

    operations = [
        migrations.AddField(
            model_name="chatsession",
            name="seen_run",
            field=models.PositiveIntegerField(db_default=0, default=0, editable=False),
        ),
        migrations.RunPython(install, remove),
    ]
