"""The walkthrough's pages, a file each. Every form is a plain POST that ends in a redirect; with htmx the same POST answers with
what changed."""
