"""/api/v1/notices: what a listener asks for, before it connects and when it does."""

from pydantic import BaseModel, ConfigDict, Field

from modelyard.registry.notices.notice import Topic


class NewNoticeTicket(BaseModel):
    """The topics to listen to; none named: all."""

    model_config = ConfigDict(extra="forbid")

    topics: list[Topic] = Field(default=[], max_length=len(Topic), examples=[["runs", "devices"]])


class NoticeTicketReply(BaseModel):
    """A ticket for one connection, to be used within `expires_in` seconds."""

    ticket: str
    topics: list[Topic]
    expires_in: int


class ListenQuery(BaseModel):
    """What a listener's address says; `topics` are separated by commas, none: the ticket's."""

    ticket: str = Field(default="", description="From POST /api/v1/notices/tickets; good once.")
    topics: str = Field(default="", examples=["runs,devices"])
    after: str = Field(
        default="", description="The id of the last notice that you have; none: from now on."
    )
