"""How a body is checked: parsed into a value, or refused with a line and the field it is about."""

from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

_B = TypeVar("_B", bound=BaseModel)


class BodyError(ValueError):
    """The body is wrong: a line for the caller, and the field it is about."""

    def __init__(self, message: str, param: str | None) -> None:
        super().__init__(message)
        self.param = param


class Body(BaseModel):
    """A body, or a part of one; fields that nobody here knows are passed over."""

    model_config = ConfigDict(frozen=True, extra="ignore")


def parse(kind: type[_B], raw: bytes) -> _B:
    """A checked body. Raises BodyError for the first thing that is wrong with it."""
    try:
        return kind.model_validate_json(raw)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        cause = first.get("ctx", {}).get("error")
        if isinstance(cause, BodyError):
            raise cause from None
        path = [str(part) for part in first["loc"]]
        where = ".".join(path)
        message = f"{where}: {first['msg']}" if where else first["msg"]
        raise BodyError(message, path[0] if path else None) from None
