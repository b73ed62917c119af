from django.core.management.base import BaseCommand, CommandError

from bookshop.models import Book


class Command(BaseCommand):
    help = "Fills the shelves: every book gets at least so many copies."

    def add_arguments(self, parser):
        parser.add_argument("least", type=int)
        parser.add_argument("--author", default="")
        parser.add_argument("--dry-run", action="store_true")

    def handle(self, least, author, dry_run, **_options):
        if least < 0:
            raise CommandError("cannot hold fewer than no copies")
        books = Book.objects.by(author).filter(stock__lt=least)
        count = books.count() if dry_run else books.update(stock=least)
        self.stdout.write(f"{count} restocked")
