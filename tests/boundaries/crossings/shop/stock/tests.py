from orders import models

ORDER = "orders.Order"
