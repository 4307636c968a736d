# Shards of passages are no rule's outputs, so that they outlive a job that is killed: one job a share of them, where the
# dataset's run.encode_jobs says so, and then encode_corpus, which writes the manifest. It encodes what is missing where
# no jobs share the work; where they do it has no GPU, and has their shards made again instead.
rule encode_shard:
    input:
        dataset=R / "dataset/{dataset}/manifest.json",
        model=R / "train/{model}/{variant}/manifest.json",
    output:
        marker=temp(
            R / "work/encode/{dataset}/{model}/{variant}/{share}-of-{shares}.done"
        ),
    log:
        R / "logs/encode/{dataset}.{model}.{variant}.corpus.{share}-of-{shares}.log",
    benchmark:
        (
            R
            / "benchmarks/encode/{dataset}.{model}.{variant}.corpus.{share}-of-{shares}.tsv"
        )
    wildcard_constraints:
        share=r"\d+",
        shares=r"\d+",
    conda:
        graph.environment("encode")
    threads: lambda wildcards: graph.model_run(wildcards.model).threads or 8
    resources:
        gpu=1,
        attention=lambda wildcards: (
            graph.model_run(wildcards.model).attention or "default"
        ),
        compile=lambda wildcards: int(graph.model_run(wildcards.model).compile),
        mem_mb=grown(8000, of_model("mem_mb")),
        runtime=lambda wildcards: graph.model_run(wildcards.model).runtime or 1440,
    params:
        options=lambda wildcards: graph.encode_options(wildcards.model),
        folder=str(R / "encode/{dataset}/{model}/{variant}"),
        code=lambda wildcards: graph.model_code(
            "encode_corpus", "encode", wildcards.model
        ),
    script:
        "../workflow_scripts/encode_shard.py"


rule encode_corpus:
    input:
        markers=lambda wildcards: graph.encode_shares(**wildcards),
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
        gpu=lambda wildcards: int(not graph.encode_shares(**wildcards)),
        attention=lambda wildcards: (
            graph.model_run(wildcards.model).attention or "default"
        ),
        compile=lambda wildcards: int(graph.model_run(wildcards.model).compile),
        mem_mb=grown(8000, of_model("mem_mb")),
        runtime=lambda wildcards: graph.model_run(wildcards.model).runtime or 1440,
    params:
        options=lambda wildcards: graph.encode_options(wildcards.model),
        code=lambda wildcards: graph.model_code(
            "encode_corpus", "encode", wildcards.model
        ),
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
        attention=lambda wildcards: (
            graph.model_run(wildcards.model).attention or "default"
        ),
        compile=lambda wildcards: int(graph.model_run(wildcards.model).compile),
        mem_mb=grown(8000, of_model("mem_mb")),
        runtime=grown(60, of_model("runtime")),
    params:
        options=lambda wildcards: graph.encode_options(wildcards.model, queries=True),
        # How quick it was is told beside the vectors: another way to tell it is no reason to encode again.
        code=lambda wildcards: graph.model_code(
            "encode_queries", "encode", wildcards.model, ("denseflow.search.speed",)
        ),
    script:
        "../workflow_scripts/encode_queries.py"
