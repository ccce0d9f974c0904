from stock import models

ITEM = "stock.Item"
