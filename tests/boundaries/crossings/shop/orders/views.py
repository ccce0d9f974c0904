from django.views.generic import DetailView, ListView

from orders.models import Line


class Lines(ListView):
    model = Line

    def get_queryset(self):
        return super().get_queryset().select_related("item")  # -> lookup stock

    def titles(self):
        self.kept = Line.objects.all()
        return self.get_queryset().values_list("item__title")  # -> lookup stock

    def again(self):
        return self.kept.values_list("item__title")  # -> lookup stock


class Detail(DetailView):
    queryset = Line.objects.select_related("item")  # -> lookup stock

    def get_object(self):
        return self.queryset.filter(item__title="a").first()  # -> lookup stock
