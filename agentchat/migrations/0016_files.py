import uuid

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("agentchat", "0015_titles"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="StoredFile",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ("guest_key", models.CharField(blank=True, editable=False, max_length=64, verbose_name="guest key")),
                ("agent", models.CharField(blank=True, max_length=100, verbose_name="agent")),
                (
                    "origin",
                    models.CharField(
                        choices=[("user", "user"), ("agent", "agent")],
                        default="user",
                        max_length=10,
                        verbose_name="origin",
                    ),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("uploading", "being uploaded"),
                            ("checking", "being checked"),
                            ("ready", "ready"),
                            ("refused", "refused"),
                        ],
                        default="uploading",
                        max_length=10,
                        verbose_name="state",
                    ),
                ),
                ("name", models.CharField(max_length=200, verbose_name="name")),
                ("content_type", models.CharField(blank=True, max_length=100, verbose_name="content type")),
                ("size", models.PositiveBigIntegerField(verbose_name="size")),
                ("sha256", models.CharField(blank=True, editable=False, max_length=64)),
                ("width", models.PositiveIntegerField(editable=False, null=True)),
                ("height", models.PositiveIntegerField(editable=False, null=True)),
                ("storage_name", models.CharField(blank=True, editable=False, max_length=255)),
                ("thumbnail_name", models.CharField(blank=True, editable=False, max_length=255)),
                ("parts", models.JSONField(default=list, editable=False)),
                ("received", models.PositiveBigIntegerField(default=0, editable=False)),
                ("refusal", models.CharField(blank=True, max_length=500, verbose_name="refusal")),
                ("check_at", models.DateTimeField(editable=False, null=True)),
                ("created_at", models.DateTimeField(auto_now_add=True, verbose_name="created")),
                ("sent_at", models.DateTimeField(blank=True, null=True, verbose_name="sent")),
                (
                    "owner",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="chat_files",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="owner",
                    ),
                ),
                (
                    "run",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="files",
                        to="agentchat.run",
                        verbose_name="run",
                    ),
                ),
                (
                    "session",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="files",
                        to="agentchat.chatsession",
                        verbose_name="chat session",
                    ),
                ),
            ],
            options={
                "verbose_name": "file",
                "verbose_name_plural": "files",
                "indexes": [
                    models.Index(
                        condition=models.Q(("owner__isnull", False)),
                        fields=["owner", "created_at"],
                        name="agentchat_files_of_owner",
                    ),
                    models.Index(
                        condition=models.Q(("owner", None)),
                        fields=["guest_key", "created_at"],
                        name="agentchat_files_of_guest",
                    ),
                    models.Index(
                        condition=models.Q(("session", None)), fields=["created_at"], name="agentchat_files_alone"
                    ),
                    models.Index(
                        condition=models.Q(("check_at__isnull", False)),
                        fields=["check_at"],
                        name="agentchat_files_to_check",
                    ),
                ],
            },
        ),
    ]
