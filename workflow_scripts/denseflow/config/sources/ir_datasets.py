"""`type: ir_datasets`."""

from typing import Literal

from denseflow.config.section import Section, SplitName, Text, required


class IrDatasetsSource(Section):
    """Any collection of the ir_datasets catalogue."""

    type: Literal["ir_datasets"] = required("`ir_datasets`")
    splits: dict[SplitName, Text] = required(
        "The id of each split, such as `test: beir/nfcorpus/test`; all must share one set of documents", min_length=1
    )

    def split_names(self) -> list[str]:
        return list(self.splits)
