from django.apps import AppConfig


class BookshopConfig(AppConfig):
    name = "bookshop"

    def ready(self):
        from bookshop import signals  # noqa: F401  (connects the receivers)
