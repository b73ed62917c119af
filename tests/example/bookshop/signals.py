from django.core.cache import cache
from django.core.mail import send_mail
from django.db.models.signals import post_delete, post_save
from django.dispatch import Signal, receiver
from django.utils.translation import gettext as _

from bookshop.models import Book

order_paid = Signal()


@receiver([post_save, post_delete], sender=Book)
def forget_the_list(**_kwargs):
    cache.delete("books")


@receiver(order_paid)
def thank_the_customer(order, **_kwargs):
    send_mail(_("Thank you for your order"), f"#{order.pk}", "shop@example.org", [order.email])
