import pytest
from shop import customers

pytestmark = pytest.mark.django_db
NAMES = [f"customer{number}" for number in range(40)]


@pytest.mark.parametrize("name", NAMES)
def test_a_customer_signs_up_and_in(name):
    user = customers.sign_up(name, "correct horse")
    assert customers.sign_in(name, "correct horse") == user


@pytest.mark.parametrize("name", NAMES[:20])
def test_a_wrong_password(name):
    customers.sign_up(name, "correct horse")
    assert customers.sign_in(name, "battery staple") is None


def test_a_customer_that_is_not_there():
    assert customers.sign_in("nobody", "correct horse") is None
