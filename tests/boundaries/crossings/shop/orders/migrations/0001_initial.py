from django.conf import settings
from django.db import migrations


def copy(apps, editor):
    apps.get_model("stock", "Item").objects.count()  # -> migration stock
    apps.get_model("orders", "Order").objects.count()


class Migration(migrations.Migration):
    initial = True
    dependencies = [
        ("stock", "0001_initial"),  # -> migration stock
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),  # -> migration people
    ]
    run_before = [("stock", "0002_more")]  # -> migration stock
    operations = [migrations.RunPython(copy)]
