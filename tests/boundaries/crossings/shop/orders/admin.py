from django.contrib import admin
from django.contrib.contenttypes.admin import GenericTabularInline

from orders.models import Line, Order
from stock.models import Note  # -> import stock


class NoteInline(GenericTabularInline):
    model = Note


class LineInline(admin.TabularInline):
    model = Line
    raw_id_fields = ["item"]  # -> admin-option stock


class Base(admin.ModelAdmin):
    list_filter = ["suppliers"]  # -> admin-option stock


@admin.register(Order)
class OrderAdmin(Base):
    list_display = ["number", "buyer"]  # -> admin-option people
    search_fields = ["number", "=buyer__username"]  # -> admin-option people
    inlines = [LineInline, NoteInline]  # -> admin-inline stock


@admin.register(Line)
class LineAdmin(admin.ModelAdmin):
    list_filter = [
        "order",
        ("item__supplier", admin.RelatedOnlyFieldListFilter),  # -> admin-option stock
    ]
    list_select_related = ["item"]  # -> admin-option stock
    search_fields = ["item"]
