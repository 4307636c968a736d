rule near_twins:
    input:
        lambda wildcards: near_twins_inputs(graph, wildcards.experiment),
    output:
        tsv=report(
            R / "experiments/{experiment}/near_twins.tsv",
            caption="captions/near_twins.rst",
            category="Experiments",
            subcategory="{experiment}",
            labels={"what": "near-twins in training"},
        ),
        manifest=R / "experiments/{experiment}/near_twins.manifest.json",
    log:
        R / "logs/report/{experiment}.near_twins.log",
    benchmark:
        R / "benchmarks/report/{experiment}.near_twins.tsv"
    conda:
        graph.environment("report")
    threads: 1
    resources:
        mem_mb=grown(4000),
        runtime=grown(30),
    params:
        options=lambda wildcards: near_twins_options(graph, wildcards.experiment),
        code=graph.code("near_twins", "report"),
    script:
        "../workflow_scripts/near_twins.py"


rule report:
    input:
        evaluation=R / "evaluate/{experiment}/manifest.json",
        runs=lambda wildcards: forcing(
            workflow.dag, damaged, graph.evaluation_inputs(wildcards.experiment)
        ),
        near_twins=lambda wildcards: near_twins(graph, wildcards.experiment),
    output:
        table=multiext(
            str(R / "experiments/{experiment}/table"), ".tsv", ".json", ".tex", ".md"
        ),
        csv=report(
            R / "experiments/{experiment}/table.csv",
            caption="captions/table.rst",
            category="Experiments",
            subcategory="{experiment}",
            labels={"what": "table"},
        ),
        json=R / "experiments/{experiment}/report.json",
        gains_tsv=R / "experiments/{experiment}/gains.tsv",
        gains=report(
            R / "experiments/{experiment}/gains.md",
            caption="captions/gains.rst",
            category="Experiments",
            subcategory="{experiment}",
            labels={"what": "queries that changed most"},
        ),
        manifest=R / "experiments/{experiment}/manifest.json",
    log:
        R / "logs/report/{experiment}.log",
    benchmark:
        R / "benchmarks/report/{experiment}.tsv"
    conda:
        graph.environment("report")
    threads: 1
    resources:
        mem_mb=grown(4000),
        runtime=grown(30),
    params:
        options=lambda wildcards: graph.report_options(wildcards.experiment),
        code=graph.code("report", "report"),
    script:
        "../workflow_scripts/report.py"


# The page shows what each step took, which differs each time: it is in no manifest, and nothing is made from it.
rule report_page:
    input:
        report=lambda wildcards: graph.report(wildcards.experiment),
        tables=lambda wildcards: page_tables(graph, wildcards.experiment),
        # Where they were made they are shown, and made again before where they are not right any more.
        data=lambda wildcards: made_data_pages(graph, wildcards.experiment),
    output:
        report(
            R / "experiments/{experiment}/report.html",
            caption="captions/page.rst",
            category="Experiments",
            subcategory="{experiment}",
            labels={"what": "page"},
        ),
    log:
        R / "logs/report/{experiment}.page.log",
    benchmark:
        R / "benchmarks/report/{experiment}.page.tsv"
    conda:
        graph.environment("report")
    threads: 1
    resources:
        mem_mb=grown(4000),
        runtime=grown(30),
    params:
        options=lambda wildcards: page_options(graph, wildcards.experiment),
        code=graph.code("report_page", "report"),
    script:
        "../workflow_scripts/report_page.py"


# How quick a search was is read beside its run: it is in no manifest, so that it makes nothing run again.
rule indexes:
    input:
        lambda wildcards: index_table_inputs(graph, wildcards.experiment),
    output:
        tsv=R / "experiments/{experiment}/indexes.tsv",
        md=report(
            R / "experiments/{experiment}/indexes.md",
            caption="captions/indexes.rst",
            category="Experiments",
            subcategory="{experiment}",
            labels={"what": "searches of vectors"},
        ),
    log:
        R / "logs/report/{experiment}.indexes.log",
    benchmark:
        R / "benchmarks/report/{experiment}.indexes.tsv"
    conda:
        graph.environment("report")
    threads: 1
    resources:
        mem_mb=grown(4000),
        runtime=grown(10),
    params:
        options=lambda wildcards: index_table_options(graph, wildcards.experiment),
        code=graph.code("indexes", "report"),
    script:
        "../workflow_scripts/indexes.py"


rule model_card:
    input:
        unpack(
            lambda wildcards: card_inputs(
                graph, wildcards.experiment, wildcards.model, wildcards.seed
            )
        ),
    output:
        card=report(
            R / "train/{model}/seed{seed}/model-card.{experiment}.md",
            caption="captions/model_card.rst",
            category="Training",
            subcategory="{model}",
            labels={"seed": "{seed}", "what": "model card"},
        ),
    log:
        R / "logs/report/{model}.seed{seed}.{experiment}.card.log",
    benchmark:
        R / "benchmarks/report/{model}.seed{seed}.{experiment}.card.tsv"
    conda:
        graph.environment("report")
    threads: 1
    resources:
        mem_mb=grown(4000),
        runtime=grown(10),
    params:
        inputs=lambda wildcards: named(
            card_inputs(graph, wildcards.experiment, wildcards.model, wildcards.seed)
        ),
        options=lambda wildcards: card_options(
            graph, wildcards.experiment, wildcards.model
        ),
        code=graph.code("model_card", "report"),
    script:
        "../workflow_scripts/model_card.py"


rule crate:
    input:
        report=lambda wildcards: graph.report(wildcards.experiment),
    output:
        R / "experiments/{experiment}/ro-crate-metadata.json",
    log:
        R / "logs/report/{experiment}.crate.log",
    benchmark:
        R / "benchmarks/report/{experiment}.crate.tsv"
    conda:
        graph.environment("report")
    threads: 1
    resources:
        mem_mb=grown(1000),
        runtime=grown(10),
    params:
        options=lambda wildcards: crate_options(graph, wildcards.experiment),
        code=graph.code("crate", "report"),
    script:
        "../workflow_scripts/crate.py"


rule expected:
    input:
        tables=lambda wildcards: expected_inputs(graph, wildcards.experiment),
        # A score that is off fails this step, so that it waits for all that is to be kept.
        rest=ancient(
            [
                *graph.tables(),
                *similarity_tables(graph),
                *model_cards(graph),
                *crates(graph),
                *pages(graph),
            ]
        ),
    output:
        tsv=R / "experiments/{experiment}/expected.tsv",
    log:
        R / "logs/report/{experiment}.expected.log",
    benchmark:
        R / "benchmarks/report/{experiment}.expected.tsv"
    conda:
        graph.environment("report")
    threads: 1
    resources:
        mem_mb=grown(1000),
        runtime=grown(10),
    params:
        options=lambda wildcards: expected_options(graph, wildcards.experiment),
        code=graph.code("expected", "report"),
    script:
        "../workflow_scripts/expected.py"


# What there is to say of a collection before anyone trains on it: `snakemake data` makes these pages, and nothing else.
rule data:
    input:
        lambda wildcards: forcing(workflow.dag, damaged, data_pages(graph)),
    localrule: True


rule data_facts:
    input:
        dataset=R / "dataset/{dataset}/manifest.json",
    output:
        json=R / "dataset/{dataset}/data.json",
        manifest=R / "dataset/{dataset}/data.manifest.json",
    log:
        R / "logs/report/{dataset}.data.log",
    benchmark:
        R / "benchmarks/report/{dataset}.data.tsv"
    conda:
        graph.environment("report")
    threads: 1
    resources:
        mem_mb=grown(4000, of_dataset("mem_mb")),
        runtime=grown(120, of_dataset("runtime")),
    params:
        code=graph.code("data_facts", "report"),
    script:
        "../workflow_scripts/data_facts.py"


rule data_page:
    input:
        lambda wildcards: data_page_inputs(
            graph, wildcards.experiment, wildcards.dataset
        ),
    output:
        html=report(
            R / "experiments/{experiment}/data/{dataset}.html",
            caption="captions/data_page.rst",
            category="Data",
            subcategory="{experiment}",
            labels={"dataset": "{dataset}"},
        ),
        md=R / "experiments/{experiment}/data/{dataset}.md",
        json=R / "experiments/{experiment}/data/{dataset}.json",
        manifest=R / "experiments/{experiment}/data/{dataset}.manifest.json",
    log:
        R / "logs/report/{experiment}.{dataset}.data_page.log",
    benchmark:
        R / "benchmarks/report/{experiment}.{dataset}.data_page.tsv"
    conda:
        graph.environment("report")
    threads: 1
    resources:
        mem_mb=grown(4000),
        runtime=grown(60),
    params:
        options=lambda wildcards: data_page_options(
            graph, wildcards.experiment, wildcards.dataset
        ),
        code=graph.code("data_page", "report"),
    script:
        "../workflow_scripts/data_page.py"
