"""The docstring names "stock.Item", stock.models and the table stock_item."""

import stock.tasks  # -> import stock
from importlib import import_module

from django.apps import apps
from django.contrib.auth import get_user_model
from django.db import connection
from django.db.models.expressions import RawSQL

from orders.models import Order

Item = apps.get_model("stock", "Item")  # -> name stock
Supplier = apps.get_model("stock.Supplier")  # -> name stock
User = get_user_model()  # -> name people
CONFIG = apps.get_app_config("stock")  # -> name stock
LABEL = "stock.Item"  # -> name stock
QUEUE = "stock.item"
TASK = "stock.tasks.export"  # -> name stock
import_module("stock.tasks")  # -> name stock
NOTHING = ["stock.nothing", "stock", "orders.Order", "tasks.export", "Take it from stock_item"]
JOIN = "LEFT JOIN stock_item ON stock_item.id = item_id"  # -> raw-sql stock
COLUMN = "SELECT stock_item FROM orders_line"


def statements(cursor, number):
    cursor.execute("SELECT * FROM stock_item WHERE id = %s", [number])  # -> raw-sql stock
    cursor.execute("select name from public.stock_supplier join stock_item on true")  # -> raw-sql stock  # -> raw-sql stock
    text = 'UPDATE "stock_supplier" SET name = %s'  # -> raw-sql stock
    connection.cursor().execute(text)
    Order.objects.raw(f"SELECT * FROM orders_order WHERE {number} IN (SELECT id FROM stock_item)")  # -> raw-sql stock
    Order.objects.extra(tables=["stock_item"], where=["1 = 1"])  # -> raw-sql stock
    Order.objects.annotate(taken=RawSQL("SELECT count(*) FROM " + "stock_item", []))  # -> raw-sql stock
    cursor.execute("SELECT * FROM orders_order_suppliers")


def documented():
    """stock.Item"""


def described():
    """SELECT * FROM stock_item"""
