"""The demo's own addresses, below /demo/; they exist only where `mailer demo` wrote the configuration."""

from django.urls import path

from mailer.demo import pages

app_name = "demo"
urlpatterns = [
    path("", pages.overview, name="overview"),
    path("none/", pages.none, name="none"),
    path("letters/", pages.letters, name="letters"),
    path("letters/<slug:name>/", pages.letter, name="letter"),
    path("letters/<slug:name>/html", pages.letter_html, name="html"),
    path("letters/<slug:name>/source", pages.letter_source, name="source"),
]
