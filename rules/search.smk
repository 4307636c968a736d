rule search:
    input:
        queries=R / "encode/{dataset}/{model}/{variant}/queries.{split}.manifest.json",
        corpus=R / "encode/{dataset}/{model}/{variant}/corpus.manifest.json",
    output:
        run=R / "search/{dataset}/{model}/{variant}/{split}.top{depth}.trec",
        manifest=R
        / "search/{dataset}/{model}/{variant}/{split}.top{depth}.manifest.json",
    log:
        R / "logs/search/{dataset}.{model}.{variant}.{split}.top{depth}.log",
    benchmark:
        R / "benchmarks/search/{dataset}.{model}.{variant}.{split}.top{depth}.tsv"
    conda:
        "../envs/search.yaml"
    threads: 4
    resources:
        mem_mb=8000,
        runtime=120,
    params:
        code=graph.code("search", "search"),
    script:
        "../workflow_scripts/search.py"
