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
        mem_mb=4000,
        runtime=60,
    params:
        options=lambda wildcards: graph.report_options(wildcards.experiment),
        code=graph.code("report", "report"),
    script:
        "../workflow_scripts/report.py"
