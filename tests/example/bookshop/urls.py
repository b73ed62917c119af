from django.urls import path

from bookshop import views

urlpatterns = [
    path("", views.book_list, name="books"),
    path("new/", views.book_new, name="new"),
    path("<int:pk>/", views.book_detail, name="book"),
    path("<int:pk>/buy/", views.buy, name="buy"),
    path("order/<int:pk>/pay/", views.pay, name="pay"),
]
