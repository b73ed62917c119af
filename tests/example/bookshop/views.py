from django.contrib.auth.decorators import login_required
from django.core.cache import cache
from django.db import transaction
from django.http import HttpResponseBadRequest, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST

from bookshop.forms import BookForm, OrderForm
from bookshop.models import Book, Order, OutOfStock
from bookshop.signals import order_paid


def book_list(request):
    books = cache.get("books")
    if books is None:
        books = list(Book.objects.select_related("author"))
        cache.set("books", books)
    wanted = request.GET.get("q", "").casefold()
    if wanted:
        books = [book for book in books if wanted in str(book).casefold()]
    return render(request, "bookshop/list.html", {"books": books, "q": wanted})


def book_detail(request, pk):
    book = get_object_or_404(Book, pk=pk)
    return render(request, "bookshop/detail.html", {"book": book, "form": OrderForm()})


@login_required(login_url="/login/")
def book_new(request):
    form = BookForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        return redirect("book", pk=form.save().pk)
    return render(request, "bookshop/new.html", {"form": form})


@require_POST
def buy(request, pk):
    book = get_object_or_404(Book, pk=pk)
    form = OrderForm(request.POST)
    if not form.is_valid():
        return HttpResponseBadRequest(form.errors.as_json(), "application/json")
    try:
        with transaction.atomic():
            order = Order.objects.create(email=form.cleaned_data["email"])
            order.add(book, form.cleaned_data["copies"])
    except OutOfStock as error:
        return JsonResponse({"out_of_stock": str(error)}, status=409)
    return JsonResponse({"order": order.pk, "total": order.total}, status=201)


@require_POST
def pay(request, pk):
    order = get_object_or_404(Order, pk=pk, paid=False)
    order.paid = True
    order.save()
    order_paid.send(Order, order=order)
    return JsonResponse({"paid": order.total})
