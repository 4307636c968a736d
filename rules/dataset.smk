rule dataset:
    input:
        unpack(lambda wildcards: graph.dataset_inputs(wildcards.dataset)),
    output:
        corpus=R / "dataset/{dataset}/corpus.jsonl",
        manifest=R / "dataset/{dataset}/manifest.json",
    log:
        R / "logs/dataset/{dataset}.log",
    benchmark:
        R / "benchmarks/dataset/{dataset}.tsv"
    conda:
        "../envs/dataset.yaml"
    threads: 1
    resources:
        mem_mb=grown(4000, of_dataset("mem_mb")),
        runtime=grown(120, of_dataset("runtime")),
    params:
        options=lambda wildcards: graph.dataset_options(wildcards.dataset),
        code=graph.code("dataset", "dataset"),
        revisions=str(R / "work/revisions/dataset/{dataset}.json"),
    script:
        "../workflow_scripts/dataset.py"
