def total(prices, discount=0):
    if not 0 <= discount < 100:
        raise ValueError("discount out of range")
    return sum(prices) * (100 - discount) / 100


def label(price):
    if price == 0:
        return "free"
    return f"{price:.2f} EUR"
