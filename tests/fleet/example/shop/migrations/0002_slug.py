from django.db import migrations, models


def fill(apps, schema_editor):
    for category in apps.get_model("shop", "Category").objects.filter(slug=""):
        category.slug = category.name.lower().replace(" ", "-")
        category.save(update_fields=["slug"])


class Migration(migrations.Migration):
    dependencies = [("shop", "0001_initial")]
    operations = [
        migrations.AddField("category", "slug", models.CharField(default="", max_length=80)),
        migrations.RunPython(fill, migrations.RunPython.noop),
    ]
