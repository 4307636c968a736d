# Denseflow: from a data set to the table that says what fine-tuning changed.
#   snakemake --cores 8 --resources gpu=1      config/README.md explains every key
from snakemake.utils import min_version

min_version("9.27")


configfile: "config/config.yaml"


report: "rules/captions/workflow.rst"


include: "rules/common.smk"
include: "rules/dataset.smk"
include: "rules/bm25.smk"
include: "rules/negatives.smk"
include: "rules/train.smk"
include: "rules/encode.smk"
include: "rules/search.smk"
include: "rules/evaluate.smk"
include: "rules/report.smk"
include: "rules/plan.smk"


rule all:
    default_target: True
    input:
        lambda wildcards: forcing(workflow.dag, damaged, graph.tables()),
        cards=model_cards(graph),
        similarity=similarity_tables(graph),
        indexes=index_tables(graph),
        crates=crates(graph),
        pages=pages(graph),
        expected=expected_checks(graph),
    localrule: True


rule checkpoints:
    input:
        lambda wildcards: tables_of_checkpoints(),
    localrule: True


onsuccess:
    print_tables([*graph.tables(), *similarity_tables(graph)])
    print_indexes(index_tables(graph))
