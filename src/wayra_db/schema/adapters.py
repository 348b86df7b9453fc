"""The indexes of Beanie and MongoEngine models, as declarations.

    users = Collection("users", indexes=beanie_indexes(User), sensitive={"email": Mask.EMAIL})

Both libraries are only looked at: nothing is connected to, and neither is a dependency. Let them build no indexes of
their own beside (`init_beanie(skip_indexes=True)`, `auto_create_index = False`), or two programs build the same ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from wayra_db.errors import DeclarationError

if TYPE_CHECKING:
    from pymongo import IndexModel


def beanie_indexes(model: type[Any]) -> list[IndexModel]:
    """The indexes of a Beanie `Document`: those of its fields (`Indexed(...)`) and of its `Settings.indexes`.

    A model's own take the place of its parents' of the same name, unless it says `merge_indexes`. Two over the same
    fields in another order are two. Raises DeclarationError for what is no Beanie model.
    """
    fields = getattr(model, "model_fields", None)
    if not isinstance(fields, Mapping):
        raise DeclarationError(f"{_name(model)} is no Beanie document", hint="Give the class, not an instance.")
    found = [_beanie_field(name, field) for name, field in fields.items()]
    indexes = [index for index in found if index is not None]
    own = _beanie_settings(model)
    indexes += own
    return _each_once(indexes)


def mongoengine_indexes(model: type[Any]) -> list[IndexModel]:
    """The indexes of a MongoEngine `Document`: those of `meta["indexes"]` and of its unique fields.

    As MongoEngine makes them: with `_cls` in front where the document allows inheritance. The index on `_cls` alone
    that it would add is made too. Raises DeclarationError for what is no MongoEngine document.
    """
    from pymongo import IndexModel

    specs = getattr(model, "_meta", None)
    if not isinstance(specs, Mapping) or "index_specs" not in specs:
        raise DeclarationError(f"{_name(model)} is no MongoEngine document", hint="Give the class, not an instance.")
    opts = dict(specs.get("index_opts") or {})
    indexes = []
    includes_class = False
    for spec in specs["index_specs"]:
        options = {key: value for key, value in spec.items() if key not in ("fields", "cls")}
        key = _mongoengine_key(spec["fields"])
        includes_class = includes_class or key[0][0] == "_cls"
        if key != [("_id", 1)]:
            indexes.append(IndexModel(key, **_without_none({**opts, **options})))
    inherits = specs.get("allow_inheritance") and specs.get("index_cls", True)
    if inherits and not includes_class:
        indexes.append(IndexModel([("_cls", 1)], **_without_none(opts)))
    return _each_once(indexes)


def _beanie_field(name: str, field: Any) -> IndexModel | None:
    """Beanie keeps what `Indexed` was given as a tuple of its kind and its options, among the field's metadata."""
    from pymongo import IndexModel

    for item in (*getattr(field, "metadata", ()), getattr(field, "annotation", None)):
        kept = getattr(item, "_indexed", None)
        if kept:
            kind, options = kept
            return IndexModel([(getattr(field, "alias", None) or name, kind)], **options)
    return None


def _beanie_settings(model: type[Any]) -> list[IndexModel]:
    found: list[IndexModel] = []
    merges = bool(getattr(getattr(model, "Settings", None), "merge_indexes", False))
    classes = reversed(model.__mro__) if merges else (model,)
    for one in classes:
        settings = vars(one).get("Settings") if merges else getattr(one, "Settings", None)
        found += [_beanie_index(given) for given in getattr(settings, "indexes", None) or ()]
    return found


def _beanie_index(given: Any) -> IndexModel:
    """A name, a list of pairs, or an IndexModel, as Beanie takes them."""
    from pymongo import IndexModel

    if isinstance(given, IndexModel):
        return given
    return IndexModel(given if isinstance(given, str) else list(given))


def _mongoengine_key(fields: Any) -> list[tuple[str, Any]]:
    return [(str(name), kind) for name, kind in fields]


def _each_once(indexes: list[IndexModel]) -> list[IndexModel]:
    """The last of several that have one name; their order is kept."""
    return list({str(index.document["name"]): index for index in indexes}.values())


def _without_none(options: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in options.items() if value is not None}


def _name(model: object) -> str:
    return getattr(model, "__name__", None) or repr(model)
