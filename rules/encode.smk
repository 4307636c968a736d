rule encode_corpus:
    input:
        dataset=R / "dataset/{dataset}/manifest.json",
        model=R / "train/{model}/{variant}/manifest.json",
    output:
        ids=R / "encode/{dataset}/{model}/{variant}/corpus.ids",
        manifest=R / "encode/{dataset}/{model}/{variant}/corpus.manifest.json",
    log:
        R / "logs/encode/{dataset}.{model}.{variant}.corpus.log",
    benchmark:
        R / "benchmarks/encode/{dataset}.{model}.{variant}.corpus.tsv"
    conda:
        graph.environment("encode")
    threads: lambda wildcards: graph.model_run(wildcards.model).threads or 8
    resources:
        gpu=1,
        mem_mb=grown(8000),
        runtime=1440,
    params:
        code=graph.code("encode_corpus", "encode"),
    script:
        "../workflow_scripts/encode_corpus.py"


rule encode_queries:
    input:
        dataset=R / "dataset/{dataset}/manifest.json",
        model=R / "train/{model}/{variant}/manifest.json",
    output:
        vectors=R / "encode/{dataset}/{model}/{variant}/queries.{split}.npy",
        ids=R / "encode/{dataset}/{model}/{variant}/queries.{split}.ids",
        manifest=R / "encode/{dataset}/{model}/{variant}/queries.{split}.manifest.json",
    log:
        R / "logs/encode/{dataset}.{model}.{variant}.queries.{split}.log",
    benchmark:
        R / "benchmarks/encode/{dataset}.{model}.{variant}.queries.{split}.tsv"
    conda:
        graph.environment("encode")
    threads: lambda wildcards: graph.model_run(wildcards.model).threads or 8
    resources:
        gpu=1,
        mem_mb=grown(8000),
        runtime=grown(120),
    params:
        code=graph.code("encode_queries", "encode"),
    script:
        "../workflow_scripts/encode_queries.py"
