"""International standard book numbers."""


def is_valid(text):
    """Whether the check digit is right.

    >>> is_valid("978-3-16-148410-0"), is_valid("3-16-148410-X"), is_valid("978-3-16-148410-1")
    (True, True, False)
    """
    digits = text.replace("-", "").replace(" ", "").upper()
    if len(digits) == 13 and digits.isdigit():
        return sum(int(d) * (3 if i % 2 else 1) for i, d in enumerate(digits)) % 10 == 0
    if len(digits) == 10 and digits[:9].isdigit() and (digits[9].isdigit() or digits[9] == "X"):
        values = [10 if d == "X" else int(d) for d in digits]
        return sum(v * (10 - i) for i, v in enumerate(values)) % 11 == 0
    return False
