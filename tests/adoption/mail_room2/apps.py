from django.apps import AppConfig


class MailRoomConfig(AppConfig):
    name = "tests.adoption.mail_room2"
    label = "mail_room2"
