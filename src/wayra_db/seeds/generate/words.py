"""The words that are there without any extra, by the name of their pool: few, in English, and never changed lightly,
since the same random seed would then give other documents.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence


def _words(text: str) -> list[str]:
    """The words of a text; `_` stands for a space inside one."""
    return [word if "/" in word else word.replace("_", " ") for word in text.split()]


_FIRST = _words(
    """
    Ada Aiko Amara Ana Ben Bram Chloe Clara Daiki David Elena Elif Emma Femi Finn Grace Hana Hugo Ines Ivan Jack
    Jonas Julia Kenji Lara Leo Lin Lucas Luisa Maja Malik Marco Maya Mei Mia Nadia Nils Noah Nora Olga Omar Oscar
    Paula Pedro Priya Rafael Rosa Samir Sara Sofia Tariq Thea Tom Uma Vera Victor Wanda Yara Yusuf Zoe
    """
)
_LAST = _words(
    """
    Adeyemi Almeida Andersen Bauer Becker Bianchi Castro Chen Costa Dubois Eriksen Fernandez Fischer Garcia Haddad
    Hansen Hoffmann Ibrahim Ito Ivanova Jansen Johnson Kaya Keller Kim Kowalski Kumar Larsen Lee Lopez Marino
    Martin Mensah Meyer Moreau Mori Nguyen Novak Okafor Olsen Patel Pereira Quispe Ramos Rossi Sato Schmidt Silva
    Singh Smith Sousa Suzuki Tanaka Torres Vargas Visser Wagner Walker Weber Yilmaz
    """
)
_CITIES = _words(
    """
    Amsterdam Athens Bangkok Barcelona Berlin Bogota Buenos_Aires Cairo Cape_Town Chicago Cusco Dublin Edinburgh
    Hanoi Havana Helsinki Istanbul Jaipur Kyoto La_Paz Lagos Lima Lisbon London Madrid Marrakesh Melbourne
    Mexico_City Montreal Nairobi Naples New_York Oslo Paris Porto Prague Quito Reykjavik Rome Seoul Singapore
    Stockholm Sydney Tallinn Tokyo Turin Valencia Vancouver Vienna Zurich
    """
)
_COUNTRIES = _words(
    """
    Argentina Australia Austria Bolivia Brazil Canada Chile Colombia Cuba Czechia Ecuador Egypt Estonia Finland
    France Germany Greece Iceland India Indonesia Ireland Italy Japan Kenya Mexico Morocco Nepal Netherlands
    New_Zealand Nigeria Norway Peru Portugal Singapore South_Africa South_Korea Spain Sweden Switzerland Thailand
    Turkey United_Kingdom United_States Uruguay Vietnam
    """
)
_ZONES = _words(
    """
    Africa/Cairo Africa/Lagos Africa/Nairobi America/Bogota America/Lima America/Mexico_City America/New_York
    America/Sao_Paulo America/Toronto Asia/Bangkok Asia/Kolkata Asia/Seoul Asia/Singapore Asia/Tokyo
    Australia/Sydney Europe/Berlin Europe/Dublin Europe/Istanbul Europe/Lisbon Europe/London Europe/Madrid
    Europe/Paris Europe/Rome Europe/Vienna Pacific/Auckland
    """
)
_WORDS = _words(
    """
    amber anchor autumn beach blue bridge calm candle canyon city cloud coast copper coral desert dune early
    family field forest garden glacier gold harbour hidden hill island lake lantern light long market meadow mint
    morning mountain museum night north ocean old olive open orchard path plain quiet rain red ridge river road
    sail salt silver slow snow south spring stone summer sun tea temple tide trail valley village warm water west
    wild wind winter wood
    """
)
_CURRENCIES = _words("USD EUR GBP JPY CHF CAD AUD BRL MXN PEN INR CNY SEK NOK PLN ZAR")
_LANGUAGES = _words("en es pt fr de it nl pl tr ar hi ja ko zh")
_STREETS = _words(
    "Station Church Market Mill Park River School Garden Harbour Hill King Queen North South Bridge Castle"
)


def _sentences() -> list[str]:
    """Words strung together, always the same."""
    size = len(_WORDS)
    found = []
    for at in range(200):
        length = 6 + at % 7
        words = [_WORDS[(at * 7 + place * (11 + at % 5)) % size] for place in range(length)]
        found.append(" ".join(words).capitalize() + ".")
    return found


WORDS: Mapping[str, Sequence[str]] = {
    "first_name": _FIRST,
    "last_name": _LAST,
    "full_name": [f"{first} {_LAST[(at * 7) % len(_LAST)]}" for at, first in enumerate(_FIRST * 4)],
    "city": _CITIES,
    "country": _COUNTRIES,
    "timezone": _ZONES,
    "currency": _CURRENCIES,
    "language": _LANGUAGES,
    "word": _WORDS,
    "title": [f"{a.capitalize()} {_WORDS[(at * 13 + 5) % len(_WORDS)]}" for at, a in enumerate(_WORDS * 3)],
    "sentence": _sentences(),
    "company": [f"{last} & {_LAST[(at * 11 + 3) % len(_LAST)]}" for at, last in enumerate(_LAST)],
    "job": _words(
        "accountant architect baker carpenter chef doctor driver editor engineer farmer gardener lawyer nurse painter "
        "pilot plumber researcher sailor tailor teacher translator vet"
    ),
    "street": [f"{number} {street} Street" for number in (1, 4, 12, 27, 58, 103) for street in _STREETS],
    "postcode": [f"{10000 + at * 797}" for at in range(100)],
    "phone": [f"+1 202 555 {100 + at:04d}" for at in range(100)],  # kept for fiction by the numbering plan
    "url": [f"https://example.org/{word}" for word in _WORDS],
    "color": _words("red orange yellow green blue indigo violet black white grey brown pink"),
}

# What a field of this name holds, small letters alone.
BY_NAME: Mapping[str, str] = {
    "firstname": "first_name",
    "givenname": "first_name",
    "lastname": "last_name",
    "surname": "last_name",
    "familyname": "last_name",
    "name": "full_name",
    "fullname": "full_name",
    "displayname": "full_name",
    "city": "city",
    "town": "city",
    "country": "country",
    "timezone": "timezone",
    "currency": "currency",
    "language": "language",
    "title": "title",
    "subject": "title",
    "description": "sentence",
    "summary": "sentence",
    "bio": "sentence",
    "notes": "sentence",
    "comment": "sentence",
    "text": "sentence",
    "company": "company",
    "job": "job",
    "occupation": "job",
    "street": "street",
    "address": "street",
    "postcode": "postcode",
    "postalcode": "postcode",
    "zip": "postcode",
    "zipcode": "postcode",
    "phone": "phone",
    "phonenumber": "phone",
    "url": "url",
    "website": "url",
    "photourl": "url",
    "imageurl": "url",
    "avatarurl": "url",
    "tag": "word",
    "keyword": "word",
    "label": "word",
    "interest": "word",
    "color": "color",
    "colour": "color",
}
EMAIL = "{first_name}.{last_name}.{number}@example.org"
