from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True
    operations = [
        migrations.CreateModel(
            name="Person",
            fields=[
                ("person_id", models.IntegerField(primary_key=True, serialize=False)),
                ("login", models.CharField(max_length=150)),
                ("full_name", models.CharField(max_length=310)),
                ("email", models.CharField(max_length=254)),
                ("staff", models.BooleanField()),
                ("active", models.BooleanField()),
                ("last_login", models.DateTimeField(null=True)),
                ("joined", models.DateTimeField()),
                ("version", models.BigIntegerField()),
                ("deleted", models.BooleanField(default=False)),
            ],
        ),
        migrations.CreateModel(
            name="Badge",
            fields=[
                ("code", models.CharField(max_length=30, primary_key=True, serialize=False)),
                ("fee", models.DecimalField(decimal_places=4, max_digits=12)),
                ("deposit", models.DecimalField(decimal_places=4, max_digits=12)),
                ("valid_from", models.DateField()),
                ("version", models.BigIntegerField()),
            ],
        ),
    ]
