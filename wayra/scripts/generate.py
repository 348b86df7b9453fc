"""What is made up for Wayra beyond what the declarations say: `wayra-db seed --profile demo`."""

from datetime import UTC, datetime, timedelta

from wayra_db.seeds.generate import (
    After,
    AtLeast,
    Between,
    Length,
    Normal,
    Numbered,
    OneOf,
    Pool,
    Ref,
    Sometimes,
    Zipf,
)

random_seed = 7

profiles = {
    "demo": {"users": 12, "trips": 30},
    "test": {"users": 50, "trips": 200},
    "large": {"users": 100_000, "trips": 500_000},
}

CURRENCIES = OneOf(["USD", "EUR", "GBP", "JPY", "PEN"], weights=[40, 30, 12, 10, 8])

# What belongs together is chosen together: a city with its country and where it lies, a person with their home.
PLACES = [
    ("Lisbon", "Portugal", 38.7223, -9.1393, "Europe/Lisbon"),
    ("Cusco", "Peru", -13.532, -71.9675, "America/Lima"),
    ("Kyoto", "Japan", 35.0116, 135.7681, "Asia/Tokyo"),
    ("Reykjavik", "Iceland", 64.1466, -21.9426, "Atlantic/Reykjavik"),
    ("Marrakesh", "Morocco", 31.6295, -7.9811, "Africa/Casablanca"),
    ("Naples", "Italy", 40.8518, 14.2681, "Europe/Rome"),
    ("Oaxaca", "Mexico", 17.0732, -96.7266, "America/Mexico_City"),
    ("Hanoi", "Vietnam", 21.0278, 105.8342, "Asia/Ho_Chi_Minh"),
    ("Edinburgh", "United Kingdom", 55.9533, -3.1883, "Europe/London"),
    ("Cape Town", "South Africa", -33.9249, 18.4241, "Africa/Johannesburg"),
    ("Vancouver", "Canada", 49.2827, -123.1207, "America/Vancouver"),
    ("Queenstown", "New Zealand", -45.0312, 168.6626, "Pacific/Auckland"),
    ("Ljubljana", "Slovenia", 46.0569, 14.5058, "Europe/Ljubljana"),
    ("Valparaiso", "Chile", -33.0472, -71.6127, "America/Santiago"),
    ("Jaipur", "India", 26.9124, 75.7873, "Asia/Kolkata"),
    ("Taveuni", "Fiji", -16.8, 179.98, "Pacific/Fiji"),
]
FIRST = "Ana Ben Chloe Daiki Elena Femi Grace Hugo Ines Jonas Kenji Lara Malik Nora Omar Priya Rosa Samir Thea Yusuf"
LAST = "Quispe Okafor Martin Sato Rossi Bauer Haddad Silva Larsen Patel Torres Novak Mensah Weber Kim Dubois Castro"
PROFILES = [
    {
        "displayName": f"{first} {last[0]}.",
        "firstName": first,
        "lastName": last,
        "photoURL": f"https://wayra.test/people/{first}-{last}.jpg".lower(),
        "location": {"country": country, "city": city, "timezone": zone},
    }
    for at, first in enumerate(FIRST.split())
    for step, last in enumerate(LAST.split())
    for city, country, _, _, zone in [PLACES[(at * 5 + step * 3) % len(PLACES)]]
]
DESTINATIONS = [
    {"name": name, "country": country, "coordinates": {"lat": lat, "lng": lng}} for name, country, lat, lng, _ in PLACES
]

rules = {
    "users": {
        "firebaseUid": Numbered("made-up-{number}"),
        "email": Numbered("traveler.{number}@wayra.test"),
        "profile": Sometimes(0.95, OneOf(PROFILES)),
        "role": OneOf(["user", "admin"], weights=[98, 2]),
        "isActive": OneOf([True, False], weights=[9, 1]),
        "preferences.budgetRange.min": Between(200, 1500),
        "preferences.budgetRange.max": AtLeast("min", 4000),
        "preferences.budgetRange.currency": CURRENCIES,
        "preferences.travelStyle": Length(
            0, 2, of=OneOf(["adventure", "budget", "family", "luxury", "relaxed", "culture"])
        ),
        "preferences.interests": Length(
            0, 4, of=OneOf(["hiking", "photography", "history", "food", "beaches", "museums", "wine", "art"])
        ),
        "settings.notifications": OneOf(
            [{"email": True, "push": True}, {"email": True, "push": False}, {"email": False}]
        ),
        "settings.privacy": OneOf([{"profile": "public"}, {"profile": "friends"}, {"profile": "private"}]),
        "settings.ai": OneOf([{"suggestions": True, "tone": "friendly"}, {"suggestions": False}, {}]),
        "stats.tripsPlanned": Zipf(0, 40),
        "stats.tripsCompleted": Zipf(0, 15),
        "stats.totalBudgetSaved": Normal(60, 180),
        "createdAt": Between(datetime(2024, 1, 1, tzinfo=UTC), datetime(2026, 6, 30, tzinfo=UTC)),
        "lastLoginAt": Sometimes(0.9, After("createdAt", timedelta(days=120))),
    },
    "trips": {
        "title": OneOf(
            [
                "A long weekend away", "Two weeks in the sun", "Hiking in the highlands", "Museums and coffee",
                "The whole family by the sea", "Food markets", "By train across the country", "Winter lights",
                "Islands, one a day", "Old towns and new friends", "Nothing but snow", "Work and a view",
            ]
        ),
        "description": Sometimes(0.6, Pool("sentence")),
        "destination": Sometimes(0.95, OneOf(DESTINATIONS, "zipf")),
        "dates.start": After("createdAt", timedelta(days=300)),
        "dates.end": Sometimes(0.95, After("start", timedelta(days=21))),
        "budget.total": Normal(2400, 1100, low=150),
        "budget.currency": CURRENCIES,
        "budget.spent": Between(0.0, 140.0),
        # What is left is worked out by the application, and may stay out.
        "budget.remaining": Sometimes(0),
        "budget.breakdown": Sometimes(
            0.3, OneOf([{"flights": 0.4, "stay": 0.4, "food": 0.2}, {"stay": 0.6, "food": 0.3, "tours": 0.1}])
        ),
        "travelers.adults": Zipf(1, 6),
        "travelers.children": Zipf(0, 4),
        "travelers.infants": OneOf([0, 1], weights=[95, 5]),
        "owner": Ref("users"),
        "collaborators": Length(0, 3),
        "collaborators.userId": Ref("users"),
        "collaborators.role": OneOf(["editor", "viewer"]),
        "collaborators.permissions": OneOf([["view"], ["view", "edit"], ["view", "edit", "invite"]]),
        "status": OneOf(["planning", "booked", "completed", "cancelled"], weights=[45, 25, 25, 5]),
        "visibility": OneOf(["private", "shared", "public"], weights=[70, 20, 10]),
        "aiGenerated": Sometimes(0.2, OneOf([{"suggestion": "a day trip by train"}, {"suggestion": "book early"}])),
        "customizations": Length(0, 1),
        "customizations.field": OneOf(["seat", "meals", "luggage"]),
        "bookings": Length(0, 3),
        "bookings.type": OneOf(["flight", "hotel", "train", "car", "tour"]),
        "bookings.price": Between(40, 900),
        "bookings.reference": Between(100_000, 999_999),
        "activityLog": Length(0, 2),
        "activityLog.action": OneOf(["created", "shared", "booked", "commented"]),
        "activityLog.at": After("createdAt", timedelta(days=60)),
        "tags": Length(0, 3, of=OneOf(["beach", "city", "food", "hiking", "islands", "museums", "road trip", "snow"])),
        "createdAt": Between(datetime(2024, 1, 1, tzinfo=UTC), datetime(2026, 6, 30, tzinfo=UTC)),
    },
}  # fmt: skip
