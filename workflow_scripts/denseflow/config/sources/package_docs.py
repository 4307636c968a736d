"""`type: package_docs`."""

from typing import Literal

from pydantic import model_validator

from denseflow.config.section import Section, Text, option, required


class PackageDocsSource(Section):
    """The API documentation of installed Python packages; the queries are their numpydoc "See Also" descriptions."""

    type: Literal["package_docs"] = required("`package_docs`")
    packages: dict[Text, Text] = required(
        "The packages and their versions, such as `numpy: 2.4.6`; another version installed is an error", min_length=1
    )
    seed: int = option(0, "Decides which queries go into which split", ge=0)
    dev_share: float = option(0.15, "The share of the queries that goes to dev", gt=0, lt=1)
    test_share: float = option(0.35, "The share of the queries that goes to test", gt=0, lt=1)
    drop_verbatim: bool = option(True, "Leave out queries that stand word for word in their target")

    @model_validator(mode="after")
    def _something_left_to_train(self) -> "PackageDocsSource":
        if self.dev_share + self.test_share >= 1:
            raise ValueError("`dev_share` and `test_share` together must be below 1, or nothing is left for train")
        return self

    def split_names(self) -> list[str]:
        return ["train", "dev", "test"]
