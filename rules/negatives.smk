rule negatives:
    input:
        dataset=R / "dataset/{dataset}/manifest.json",
        mined=lambda wildcards: graph.mining(
            wildcards.dataset, wildcards.split, wildcards.negatives
        ).inputs(),
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
        options=lambda wildcards: graph.mining(
            wildcards.dataset, wildcards.split, wildcards.negatives
        ).options(),
        code=graph.code("negatives", "negatives"),
    script:
        "../workflow_scripts/negatives.py"
