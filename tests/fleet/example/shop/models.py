from django.db import models


class Category(models.Model):
    name = models.CharField(max_length=80)
    slug = models.CharField(max_length=80, default="")

    def save(self, **options):
        self.slug = self.slug or self.name.lower().replace(" ", "-")
        super().save(**options)


class Product(models.Model):
    sku = models.CharField(max_length=20, unique=True)
    name = models.CharField(max_length=80)
    price = models.DecimalField(max_digits=8, decimal_places=2)
    stock = models.PositiveIntegerField(default=0)
    category = models.ForeignKey(Category, on_delete=models.CASCADE)


class Order(models.Model):
    customer = models.CharField(max_length=80)
    placed = models.DateTimeField(auto_now_add=True)

    @property
    def total(self):
        return sum(line.price * line.quantity for line in self.lines.all())


class Line(models.Model):
    order = models.ForeignKey(Order, on_delete=models.CASCADE, related_name="lines")
    product = models.ForeignKey(Product, on_delete=models.PROTECT)
    quantity = models.PositiveIntegerField()
    price = models.DecimalField(max_digits=8, decimal_places=2)
