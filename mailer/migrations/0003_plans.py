from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("mailer", "0002_engine")]

    operations = []
