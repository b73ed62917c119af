"""Passwords take their time on purpose: with Django's own number of rounds these tests are most of the suite."""

import pytest
from django.contrib.auth.models import User
from shop import customers

pytestmark = pytest.mark.django_db
NAMES = [f"customer{number}" for number in range(10)]
PASSWORD = "correct horse battery staple"


@pytest.fixture(params=NAMES)
def user(request):
    return customers.sign_up(request.param, PASSWORD)


def test_a_customer_signs_in(user):
    assert customers.sign_in(user.username, PASSWORD) == user


def test_a_wrong_password(user):
    assert customers.sign_in(user.username, "wrong") is None


def test_the_case_of_a_password_counts(user):
    assert customers.sign_in(user.username, PASSWORD.upper()) is None


def test_a_new_password_is_the_only_one(user):
    user.set_password("new")
    user.save()
    assert customers.sign_in(user.username, PASSWORD) is None
    assert customers.sign_in(user.username, "new") == user


def test_a_renamed_customer_keeps_the_password(user):
    User.objects.filter(pk=user.pk).update(username="renamed")
    assert customers.sign_in("renamed", PASSWORD) == user


def test_the_same_password_is_never_stored_twice_the_same(user):
    assert customers.sign_up("another", PASSWORD).password != user.password


@pytest.mark.parametrize("password", ["ß", " ", "пароль", "a" * 200, "%s", "\U0001f40e"])
def test_any_text_is_a_password(password):
    user = customers.sign_up("anybody", password)
    assert customers.sign_in("anybody", password) == user
    assert customers.sign_in("anybody", password + " ") is None


def test_a_customer_that_is_not_there():
    assert customers.sign_in("nobody", PASSWORD) is None
