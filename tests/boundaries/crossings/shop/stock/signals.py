from django.dispatch import Signal

sold_out = Signal()
