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
        runtime=grown(60),
    params:
        options=lambda wildcards: graph.evaluate_options(wildcards.experiment),
        code=graph.code("evaluate", "evaluate"),
    script:
        "../workflow_scripts/evaluate.py"
