import os

SECRET_KEY = "only tests"
INSTALLED_APPS = ["django.contrib.contenttypes", "django.contrib.auth", "shop"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "HOST": os.environ.get("DATABASE_HOST", "db"),
        "NAME": "shop",
        "USER": "shop",
    }
}
CACHE_URL = f"redis://{os.environ.get('CACHE_HOST', 'redis')}:6379/0"
CACHES = {"default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": CACHE_URL, "KEY_PREFIX": "shop"}}
EXPORT_FOLDER = "/tmp/shop-export"
LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("de", "Deutsch"), ("fr", "Français")]
LOCALE_PATHS = ["/tmp/shop-locale"]
USE_I18N = USE_TZ = True
PASSWORD_HASHERS = ["shop.customers.Hasher"]
PASSWORD_ROUNDS = int(os.environ.get("PASSWORD_ROUNDS") or 1000)
