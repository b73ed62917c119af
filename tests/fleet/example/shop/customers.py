from django.conf import settings
from django.contrib.auth.hashers import PBKDF2PasswordHasher
from django.contrib.auth.models import User


class Hasher(PBKDF2PasswordHasher):
    iterations = settings.PASSWORD_ROUNDS


def sign_up(name, password):
    return User.objects.create_user(name, f"{name}@example.org", password)


def sign_in(name, password):
    user = User.objects.filter(username=name).first()
    return user if user and user.check_password(password) else None
