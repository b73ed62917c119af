import unittest

from bookshop import isbn


class Thirteen(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.good = ["978-3-16-148410-0", "978 0 306 40615 7"]

    def test_good(self):
        for text in self.good:
            with self.subTest("a good number", text=text):
                self.assertTrue(isbn.is_valid(text))

    def test_every_other_check_digit_is_wrong(self):
        for digit in "123456789":
            with self.subTest(digit=digit):
                self.assertFalse(isbn.is_valid("978-3-16-148410-" + digit))

    def test_letters(self):
        self.assertFalse(isbn.is_valid("978-3-16-14841O-0"))

    @unittest.skip("no member of this family sells music yet")
    def test_music(self):
        self.assertTrue(isbn.is_valid("M-2306-7118-7"))

    @unittest.expectedFailure
    def test_numbers_of_1966(self):
        self.assertTrue(isbn.is_valid("306406152"))


class Ten(Thirteen):
    """The tests of a base class are inherited: defined there, collected here too."""

    @classmethod
    def setUpClass(cls):
        cls.good = ["3-16-148410-X", "0306406152", "0-306-40615-2"]

    def test_x_stands_only_at_the_end(self):
        self.assertFalse(isbn.is_valid("X-16-148410-3"))

    def test_too_short(self):
        self.assertFalse(isbn.is_valid("3-16-14841-0"))


def test_subtests_of_pytest(subtests):
    for length in range(10):
        with subtests.test("too short", length=length):
            assert not isbn.is_valid("0" * length)
