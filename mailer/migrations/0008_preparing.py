from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("mailer", "0007_desk")]

    operations = []
