"""A bookshop: just enough of everything a Django project has."""
