from django import forms
from django.utils.translation import gettext_lazy as _

from bookshop import pricing
from bookshop.models import Book


class BookForm(forms.ModelForm):
    price = forms.CharField()

    class Meta:
        model = Book
        fields = ["title", "author", "isbn", "stock"]

    def clean_price(self):
        try:
            return pricing.parse_price(self.cleaned_data["price"])
        except ValueError as error:
            raise forms.ValidationError(_("This is not a price.")) from error

    def save(self, commit=True):
        self.instance.cents = self.cleaned_data["price"]
        return super().save(commit)


class OrderForm(forms.Form):
    email = forms.EmailField()
    copies = forms.IntegerField(min_value=1, max_value=99)
