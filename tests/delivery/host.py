"""A host's Celery app: the project's, with a task and a queue of the host's own, and results that go back to the sender."""

from kombu import Exchange, Queue

from config.celery import app

__all__ = ["app"]
app.conf["task_queues"] = [*app.conf["task_queues"], Queue("host", Exchange("", type="direct"), routing_key="host", durable=True)]
app.conf["result_backend"] = "rpc://"


@app.task(name="host.add", ignore_result=False)
def add(one: int, two: int) -> int:
    return one + two
