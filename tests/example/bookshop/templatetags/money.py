from django import template

register = template.Library()


@register.filter
def euro(cents):
    """
    >>> euro(123456)
    '1,234.56 €'
    """
    return f"{cents / 100:,.2f} €"


@register.simple_tag
def stock_light(stock, few=3):
    if stock == 0:
        return "red"
    return "yellow" if stock <= few else "green"
