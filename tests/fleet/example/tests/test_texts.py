"""Locale switching is a state of the whole process."""

import datetime
import threading

import pytest
from django.utils import translation
from shop import texts

GREETINGS = {"en": "Hello, Ada!", "de": "Guten Tag, Ada!", "fr": "Bonjour, Ada !"}
DAYS = {
    "en": ["Monday, 2. March", "Tuesday, 3. March", "Wednesday, 4. March", "Thursday, 5. March"],
    "de": ["Montag, 2. März", "Dienstag, 3. März", "Mittwoch, 4. März", "Donnerstag, 5. März"],
    "fr": ["lundi, 2. mars", "mardi, 3. mars", "mercredi, 4. mars", "jeudi, 5. mars"],
}
THINGS = {"en": ("thing", "things"), "de": ("Ding", "Dinge"), "fr": ("chose", "choses")}


@pytest.fixture(params=["en", "de", "fr"])
def language(request):
    translation.activate(request.param)
    yield request.param
    translation.deactivate()


def test_a_greeting(language):
    assert texts.greeting("Ada") == GREETINGS[language]


@pytest.mark.parametrize("count", range(10))
def test_a_number_of_things(language, count):
    few = count <= 1 if language == "fr" else count == 1
    assert texts.basket_of(count) == f"{count} {THINGS[language][not few]}"


@pytest.mark.parametrize("day", range(4))
def test_a_day_of_delivery(language, day):
    assert texts.delivery(datetime.date(2026, 3, 2 + day)).endswith(DAYS[language][day])


def test_an_amount(language):
    expected = {"en": "1234.50", "de": "1.234,50", "fr": "1\xa0234,50"}
    assert texts.amount(1234.5) in (expected[language], "1,234.50" if language == "en" else expected[language])


@pytest.mark.parametrize("other", ["en", "de", "fr"])
def test_switching_inside_of_another_language(language, other):
    with translation.override(other):
        assert texts.greeting("Ada") == GREETINGS[other]
    assert texts.greeting("Ada") == GREETINGS[language]


def test_a_thread_speaks_the_language_of_the_settings(language):
    heard = []
    thread = threading.Thread(target=lambda: heard.append(texts.greeting("Ada")))
    thread.start()
    thread.join()
    assert heard == [GREETINGS["en"]]
