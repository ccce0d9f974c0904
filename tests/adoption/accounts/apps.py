from django.apps import AppConfig


class AccountsConfig(AppConfig):
    name = "tests.adoption.accounts"
    label = "accounts"
