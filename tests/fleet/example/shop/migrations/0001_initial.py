import django.db.models.deletion
from django.db import migrations, models

KEY = ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID"))


class Migration(migrations.Migration):
    initial = True
    operations = [
        migrations.CreateModel("Category", [KEY, ("name", models.CharField(max_length=80))]),
        migrations.CreateModel(
            "Product",
            [
                KEY,
                ("sku", models.CharField(max_length=20, unique=True)),
                ("name", models.CharField(max_length=80)),
                ("price", models.DecimalField(decimal_places=2, max_digits=8)),
                ("stock", models.PositiveIntegerField(default=0)),
                ("category", models.ForeignKey("shop.category", on_delete=django.db.models.deletion.CASCADE)),
            ],
        ),
        migrations.CreateModel(
            "Order", [KEY, ("customer", models.CharField(max_length=80)), ("placed", models.DateTimeField(auto_now_add=True))]
        ),
        migrations.CreateModel(
            "Line",
            [
                KEY,
                ("quantity", models.PositiveIntegerField()),
                ("price", models.DecimalField(decimal_places=2, max_digits=8)),
                ("order", models.ForeignKey("shop.order", on_delete=django.db.models.deletion.CASCADE, related_name="lines")),
                ("product", models.ForeignKey("shop.product", on_delete=django.db.models.deletion.PROTECT)),
            ],
        ),
    ]
