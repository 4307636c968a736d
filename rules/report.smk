rule report:
    input:
        evaluation=R / "evaluate/{experiment}/manifest.json",
        runs=lambda wildcards: forcing(
            workflow.dag, damaged, graph.evaluation_inputs(wildcards.experiment)
        ),
    output:
        tsv=R / "experiments/{experiment}/table.tsv",
        md=R / "experiments/{experiment}/table.md",
        html=R / "experiments/{experiment}/table.html",
        gains=multiext(str(R / "experiments/{experiment}/gains"), ".tsv", ".md"),
        manifest=R / "experiments/{experiment}/manifest.json",
    log:
        R / "logs/report/{experiment}.log",
    benchmark:
        R / "benchmarks/report/{experiment}.tsv"
    conda:
        "../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=grown(4000),
        runtime=grown(60),
    params:
        options=lambda wildcards: graph.report_options(wildcards.experiment),
        code=graph.code("report", "report"),
    script:
        "../workflow_scripts/report.py"


rule model_card:
    input:
        unpack(
            lambda wildcards: card_inputs(
                graph, wildcards.experiment, wildcards.model, wildcards.seed
            )
        ),
    output:
        card=R / "train/{model}/seed{seed}/model-card.{experiment}.md",
    log:
        R / "logs/report/{model}.seed{seed}.{experiment}.card.log",
    benchmark:
        R / "benchmarks/report/{model}.seed{seed}.{experiment}.card.tsv"
    conda:
        "../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=grown(4000),
        runtime=grown(60),
    params:
        options=lambda wildcards: card_options(
            graph, wildcards.experiment, wildcards.model
        ),
        code=graph.code("model_card", "report"),
    script:
        "../workflow_scripts/model_card.py"
