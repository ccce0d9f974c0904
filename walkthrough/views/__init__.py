"""The walkthrough's pages, one file each. Every form is a plain POST that ends in a redirect; with htmx the answer is the changed
part of the page."""
