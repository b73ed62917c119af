from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import F, Sum
from django.utils.translation import gettext_lazy as _

from bookshop import isbn, pricing


class Author(models.Model):
    name = models.CharField(_("name"), max_length=100, unique=True)

    class Meta:
        ordering = ["name"]

    def __str__(self):
        return self.name


class BookQuerySet(models.QuerySet):
    def in_stock(self):
        return self.filter(stock__gt=0)

    def by(self, name):
        return self.filter(author__name__icontains=name)


class Book(models.Model):
    title = models.CharField(_("title"), max_length=200)
    author = models.ForeignKey(Author, on_delete=models.PROTECT, related_name="books")
    isbn = models.CharField(max_length=17, unique=True)
    cents = models.PositiveIntegerField()
    stock = models.PositiveIntegerField(default=0)

    objects = BookQuerySet.as_manager()

    class Meta:
        ordering = ["title"]

    def __str__(self):
        return f"{self.title} ({self.author})"

    def clean(self):
        if not isbn.is_valid(self.isbn):
            raise ValidationError({"isbn": _("This is not an ISBN.")})

    @property
    def price(self):
        return pricing.with_tax(self.cents, "book")


class OutOfStock(Exception):
    pass


class Order(models.Model):
    email = models.EmailField()
    created = models.DateTimeField(auto_now_add=True)
    paid = models.BooleanField(default=False)

    def add(self, book, copies=1):
        """Takes the copies out of the stock at once, so that nobody else can buy them."""
        taken = Book.objects.filter(pk=book.pk, stock__gte=copies)
        if not taken.update(stock=F("stock") - copies):
            raise OutOfStock(book.title)
        line, _ = self.lines.get_or_create(book=book, defaults={"copies": 0})
        line.copies += copies
        line.save()
        return line

    @property
    def copies(self):
        return self.lines.aggregate(sum=Sum("copies"))["sum"] or 0

    @property
    def total(self):
        return sum(line.total for line in self.lines.select_related("book"))


class OrderLine(models.Model):
    order = models.ForeignKey(Order, on_delete=models.CASCADE, related_name="lines")
    book = models.ForeignKey(Book, on_delete=models.PROTECT)
    copies = models.PositiveIntegerField()

    @property
    def total(self):
        percent = 100 - pricing.discount_percent(self.copies)
        return round(self.book.price * self.copies * percent / 100)
