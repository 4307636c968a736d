rule evaluate:
    input:
        lambda wildcards: graph.evaluation_inputs(wildcards.experiment),
    output:
        scores=R / "evaluate/{experiment}/scores.tsv",
        means=R / "evaluate/{experiment}/means.tsv",
        manifest=R / "evaluate/{experiment}/manifest.json",
    log:
        R / "logs/evaluate/{experiment}.log",
    benchmark:
        R / "benchmarks/evaluate/{experiment}.tsv"
    conda:
        "../envs/evaluate.yaml"
    threads: 1
    resources:
        mem_mb=grown(4000),
        runtime=grown(30),
    params:
        options=lambda wildcards: graph.evaluate_options(wildcards.experiment),
        code=graph.code("evaluate", "evaluate"),
    script:
        "../workflow_scripts/evaluate.py"


# Sets of sentence pairs (similarity: in an experiment's file): read once, then each model's scores, then their table.
rule similarity_pairs:
    output:
        pairs=R / "evaluate/{experiment}/similarity/{set}/pairs.jsonl",
        manifest=R / "evaluate/{experiment}/similarity/{set}/manifest.json",
    log:
        R / "logs/evaluate/{experiment}.similarity.{set}.log",
    benchmark:
        R / "benchmarks/evaluate/{experiment}.similarity.{set}.tsv"
    conda:
        "../envs/dataset.yaml"
    threads: 1
    resources:
        mem_mb=grown(2000),
        runtime=grown(30),
    params:
        options=lambda wildcards: set_options(
            graph, wildcards.experiment, wildcards.set
        ),
        code=graph.code("similarity_pairs", "dataset"),
    script:
        "../workflow_scripts/similarity_pairs.py"


rule similarity:
    input:
        pairs=R / "evaluate/{experiment}/similarity/{set}/manifest.json",
        model=lambda wildcards: graph.model(
            model_of(graph, wildcards.experiment, wildcards.system),
            wildcards.variant,
        ),
    output:
        scores=R
        / "evaluate/{experiment}/similarity/{set}/{system}/{variant}/scores.tsv",
        manifest=R
        / "evaluate/{experiment}/similarity/{set}/{system}/{variant}/manifest.json",
    log:
        R / "logs/evaluate/{experiment}.similarity.{set}.{system}.{variant}.log",
    benchmark:
        (R / "benchmarks/evaluate/{experiment}.similarity.{set}.{system}.{variant}.tsv")
    conda:
        graph.environment("encode")
    threads: lambda wildcards: run_of(wildcards).threads or 8
    resources:
        gpu=1,
        attention=lambda wildcards: run_of(wildcards).attention or "default",
        mem_mb=grown(8000),
        runtime=grown(120),
    params:
        inputs=lambda wildcards: model_of(graph, wildcards.experiment, wildcards.system),
        options=lambda wildcards: score_options(
            graph, wildcards.experiment, wildcards.set, wildcards.system
        ),
        code=graph.code("similarity", "encode"),
    script:
        "../workflow_scripts/similarity.py"


rule similarity_table:
    input:
        lambda wildcards: forcing(
            workflow.dag, damaged, score_manifests(graph, wildcards.experiment)
        ),
    output:
        tsv=R / "experiments/{experiment}/similarity.tsv",
        md=report(
            R / "experiments/{experiment}/similarity.md",
            caption="captions/similarity.rst",
            category="Experiments",
            subcategory="{experiment}",
            labels={"what": "similarity of sentences"},
        ),
        manifest=R / "experiments/{experiment}/similarity.manifest.json",
    log:
        R / "logs/report/{experiment}.similarity.log",
    benchmark:
        R / "benchmarks/report/{experiment}.similarity.tsv"
    conda:
        "../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=grown(4000),
        runtime=grown(60),
    params:
        options=lambda wildcards: table_options(graph, wildcards.experiment),
        code=graph.code("similarity_table", "report"),
    script:
        "../workflow_scripts/similarity_table.py"
