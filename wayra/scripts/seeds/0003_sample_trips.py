"""Ten trips of the sample travellers: every status and visibility, alone and together, with bookings and without.

What is there already is left alone, so a developer's own edits survive the next run.
"""

from datetime import UTC, datetime

from bson import ObjectId
from pymongo import UpdateOne

environments = ["development"]
required = False
description = "Sample trips of the sample travellers"

# The travellers of 0002_sample_users.py.
ANA, BEN, CHLOE, DAIKI, ELENA = (ObjectId(f"5eed000000000000000001{number:02}") for number in range(1, 6))


def day(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def place(name, country, lat, lng):
    return {"name": name, "country": country, "coordinates": {"lat": lat, "lng": lng}}


def between(start, end, *, flexible=False):
    return {"start": day(start), "end": day(end), "flexible": flexible}


def budget(total, currency, spent=0, **breakdown):
    amounts = {"total": total, "currency": currency, "spent": spent, "remaining": total - spent}
    return {**amounts, "breakdown": breakdown} if breakdown else amounts


def people(adults, children=0, infants=0):
    return {"adults": adults, "children": children, "infants": infants}


def editor(user_id):
    return {"userId": user_id, "role": "editor", "permissions": ["view", "edit", "invite"]}


def viewer(user_id):
    return {"userId": user_id, "role": "viewer", "permissions": ["view"]}


def trip(number, owner, title, created, **fields):
    return {
        "_id": ObjectId(f"5eed000000000000000002{number:02}"),
        "title": title,
        "owner": owner,
        "createdAt": day(created),
        "updatedAt": day(created),
        **fields,
    }


TRIPS = [
    trip(
        1, ANA, "Salkantay trek to Machu Picchu", "2026-02-01",
        description="Five days on foot, with a night in Aguas Calientes.",
        destination=place("Machu Picchu", "Peru", -13.1631, -72.545),
        dates=between("2026-05-04", "2026-05-09"),
        budget=budget(900, "USD", 719.5, guide=420, food=150, tickets=149.5),
        travelers=people(2),
        collaborators=[viewer(BEN)],
        status="completed", visibility="public",
        bookings=[{"type": "tour", "provider": "Andes Trails", "price": 420}, {"type": "train", "price": 149.5}],
        activityLog=[{"action": "created", "by": ANA, "at": day("2026-02-01")}],
        tags=["hiking", "mountains"],
    ),
    trip(
        2, ANA, "Patagonia in autumn", "2026-09-14",
        description="El Chalten and Torres del Paine, if the bus connections work out.",
        destination=place("El Chalten", "Argentina", -49.3315, -72.8863),
        dates=between("2027-03-20", "2027-04-04", flexible=True),
        budget=budget(2400, "USD"),
        travelers=people(2),
        collaborators=[editor(CHLOE), viewer(DAIKI)],
        status="planning", visibility="shared",
        aiGenerated={"model": "planner-2", "prompt": "two weeks of day hikes", "days": 15},
        customizations=[{"day": 3, "change": "rest day"}],
        tags=["hiking", "mountains", "photography"],
    ),
    trip(
        3, ANA, "Weekend in Arequipa", "2026-10-02",
        destination=place("Arequipa", "Peru", -16.409, -71.5375),
        dates=between("2026-12-11", "2026-12-13"),
        budget=budget(300, "USD", 120),
        travelers=people(1),
        status="booked", visibility="private",
        bookings=[{"type": "hotel", "provider": "Casa Blanca", "nights": 2, "price": 120}],
        tags=["city"],
    ),
    trip(
        4, BEN, "Cornwall with the children", "2026-02-20",
        destination=place("St Ives", "United Kingdom", 50.2083, -5.4909),
        dates=between("2026-08-01", "2026-08-08"),
        # Over budget, as family holidays are.
        budget=budget(1500, "GBP", 1575, cottage=980, travel=260, food=335),
        travelers=people(2, children=2, infants=1),
        status="completed", visibility="private",
        bookings=[{"type": "cottage", "nights": 7, "price": 980}],
        tags=["family", "beach"],
    ),
    trip(
        5, BEN, "Lagos reunion", "2026-06-11",
        destination=place("Lagos", "Nigeria", 6.5244, 3.3792),
        dates=between("2026-12-20", "2027-01-03"),
        budget=budget(4200, "GBP", 2890),
        travelers=people(2, children=2),
        collaborators=[viewer(ANA)],
        status="booked", visibility="shared",
        bookings=[{"type": "flight", "from": "LHR", "to": "LOS", "price": 2890}],
        activityLog=[
            {"action": "created", "by": BEN, "at": day("2026-06-11")},
            {"action": "booked", "by": BEN, "at": day("2026-07-02")},
        ],
        tags=["family"],
    ),
    trip(
        6, CHLOE, "Tasting through Piedmont", "2026-04-02",
        description="Barolo, truffles and nothing before eleven o'clock.",
        destination=place("Alba", "Italy", 44.7009, 8.0357),
        dates=between("2026-10-09", "2026-10-14"),
        budget=budget(3200, "EUR", 3200),
        travelers=people(2),
        collaborators=[editor(ELENA)],
        status="completed", visibility="public",
        bookings=[{"type": "hotel", "nights": 5, "price": 1900}, {"type": "restaurant", "price": 420}],
        tags=["food", "wine"],
    ),
    trip(
        7, CHLOE, "Naoshima art islands", "2026-11-05",
        destination=place("Naoshima", "Japan", 34.4603, 133.9953),
        dates={"flexible": True},
        budget=budget(5000, "EUR"),
        travelers=people(2),
        collaborators=[editor(DAIKI)],
        status="planning", visibility="shared",
        aiGenerated={"model": "planner-2", "prompt": "museums, slow pace", "days": 9},
        tags=["art", "islands"],
    ),
    # As little as a trip can be: made with one tap a minute after signing up.
    trip(8, DAIKI, "Somewhere warm", "2026-11-02", status="planning", visibility="private"),
    trip(
        9, ELENA, "Lisbon for New Year", "2026-02-14",
        destination=place("Lisbon", "Portugal", 38.7223, -9.1393),
        dates=between("2026-12-29", "2027-01-02"),
        budget=budget(1100, "EUR", 90),
        travelers=people(3),
        status="cancelled", visibility="private",
        bookings=[{"type": "flight", "price": 90, "refunded": False}],
        activityLog=[{"action": "cancelled", "by": ELENA, "at": day("2026-05-02"), "reason": "moved abroad"}],
        tags=["city"],
    ),
    # On the other side of the date line, where longitudes are near their edge.
    trip(
        10, BEN, "Fiji, one day", "2026-07-19",
        destination=place("Taveuni", "Fiji", -16.8, 179.98),
        dates=between("2028-07-01", "2028-07-01", flexible=True),
        budget=budget(6000, "GBP"),
        travelers=people(2, children=2),
        status="cancelled", visibility="public",
        tags=["beach", "islands"],
    ),
]  # fmt: skip


def seed(db):
    db.trips.bulk_write(
        [UpdateOne({"_id": document["_id"]}, {"$setOnInsert": document}, upsert=True) for document in TRIPS]
    )
