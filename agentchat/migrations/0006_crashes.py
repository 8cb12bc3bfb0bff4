from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("agentchat", "0005_growth")]

    operations = [
        migrations.AddField(
            model_name="run",
            name="crashes",
            field=models.SmallIntegerField(db_default=0, default=0, editable=False, verbose_name="crashes"),
        ),
    ]
