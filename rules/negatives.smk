rule negatives:
    input:
        dataset=R / "dataset/{dataset}/manifest.json",
        runs=lambda wildcards: graph.mining_manifests(
            wildcards.dataset, wildcards.split, wildcards.negatives
        ),
    output:
        training=R / "negatives/{dataset}.{split}/{negatives}/train.jsonl",
        audit=R / "negatives/{dataset}.{split}/{negatives}/audit.json",
        manifest=R / "negatives/{dataset}.{split}/{negatives}/manifest.json",
    log:
        R / "logs/negatives/{dataset}.{split}.{negatives}.log",
    benchmark:
        R / "benchmarks/negatives/{dataset}.{split}.{negatives}.tsv"
    conda:
        "../envs/negatives.yaml"
    threads: 1
    resources:
        mem_mb=8000,
        runtime=120,
    params:
        options=lambda wildcards: graph.negatives_options(
            wildcards.dataset, wildcards.split, wildcards.negatives
        ),
        code=graph.code("negatives", "negatives"),
    script:
        "../workflow_scripts/negatives.py"
