"""The little that the model knows by heart."""

from __future__ import annotations

from collections.abc import Mapping

CAPITALS: Mapping[str, str] = {
    "Argentina": "Buenos Aires",
    "Australia": "Canberra",
    "Austria": "Vienna",
    "Belgium": "Brussels",
    "Brazil": "Brasília",
    "Canada": "Ottawa",
    "China": "Beijing",
    "Denmark": "Copenhagen",
    "Egypt": "Cairo",
    "England": "London",
    "Finland": "Helsinki",
    "France": "Paris",
    "Germany": "Berlin",
    "Greece": "Athens",
    "India": "New Delhi",
    "Ireland": "Dublin",
    "Italy": "Rome",
    "Japan": "Tokyo",
    "Kenya": "Nairobi",
    "Mexico": "Mexico City",
    "Netherlands": "Amsterdam",
    "Norway": "Oslo",
    "Poland": "Warsaw",
    "Portugal": "Lisbon",
    "Spain": "Madrid",
    "Sweden": "Stockholm",
    "Switzerland": "Bern",
    "Turkey": "Ankara",
    "United Kingdom": "London",
    "United States": "Washington, D.C.",
}

_LANGUAGES = ("French", "German", "Italian", "Spanish")
PHRASES: Mapping[str, Mapping[str, str]] = {
    phrase: dict(zip(_LANGUAGES, translations, strict=True))
    for phrase, *translations in (
        ("hello", "Bonjour", "Hallo", "Ciao", "Hola"),
        ("hi", "Salut", "Hallo", "Ciao", "Hola"),
        ("hello world", "Bonjour le monde", "Hallo Welt", "Ciao mondo", "Hola mundo"),
        ("good morning", "Bonjour", "Guten Morgen", "Buongiorno", "Buenos días"),
        ("good night", "Bonne nuit", "Gute Nacht", "Buona notte", "Buenas noches"),
        ("goodbye", "Au revoir", "Auf Wiedersehen", "Arrivederci", "Adiós"),
        ("how are you", "Comment allez-vous ?", "Wie geht es Ihnen?", "Come stai?", "¿Cómo estás?"),
        ("thank you", "Merci", "Danke", "Grazie", "Gracias"),
        ("please", "S'il vous plaît", "Bitte", "Per favore", "Por favor"),
        ("yes", "Oui", "Ja", "Sì", "Sí"),
        ("no", "Non", "Nein", "No", "No"),
        ("i love you", "Je t'aime", "Ich liebe dich", "Ti amo", "Te quiero"),
        ("i love programming", "J'adore la programmation.", "Ich liebe das Programmieren.", "Amo programmare.", "Me encanta programar."),
        ("the weather is nice today", "Il fait beau aujourd'hui.", "Das Wetter ist heute schön.", "Oggi il tempo è bello.", "Hoy hace buen tiempo."),
    )
}  # fmt: skip
