# An exact search of whole vectors, of their first N dimensions below dN/, or of a sparse encoder's terms.
rule search:
    input:
        queries=R / "encode/{dataset}/{model}/{variant}/queries.{split}.manifest.json",
        corpus=R / "encode/{dataset}/{model}/{variant}/corpus.manifest.json",
    output:
        run=R / "search/{dataset}/{model}/{variant}/{cut}{split}.top{depth}.trec",
        manifest=R
        / "search/{dataset}/{model}/{variant}/{cut}{split}.top{depth}.manifest.json",
    log:
        R / "logs/search/{dataset}.{model}.{variant}.{cut}{split}.top{depth}.log",
    benchmark:
        R / "benchmarks/search/{dataset}.{model}.{variant}.{cut}{split}.top{depth}.tsv"
    wildcard_constraints:
        cut=r"(d\d+/)?",
    conda:
        graph.environment("search")
    threads: 4
    resources:
        gpu=lambda wildcards: search_gpus(graph, wildcards.dataset, wildcards.model),
        mem_mb=grown(8000, of_dataset("mem_mb")),
        runtime=grown(60, of_dataset("runtime")),
    params:
        code=lambda wildcards: graph.model_code("search", "search", wildcards.model),
    script:
        "../workflow_scripts/search.py"


# The graph of HNSW depends on the order in which vectors come in, so that one thread builds it.
rule index:
    input:
        corpus=R / "encode/{dataset}/{model}/{variant}/corpus.manifest.json",
    output:
        index=R / "search/{dataset}/{model}/{variant}/index/{built}/index.faiss",
        manifest=R / "search/{dataset}/{model}/{variant}/index/{built}/manifest.json",
    log:
        R / "logs/search/{dataset}.{model}.{variant}.index.{built}.log",
    benchmark:
        R / "benchmarks/search/{dataset}.{model}.{variant}.index.{built}.tsv"
    wildcard_constraints:
        built=r"[^/]+",
    conda:
        graph.environment("search")
    threads: lambda wildcards: 1 if wildcards.built.startswith("hnsw_") else 8
    resources:
        mem_mb=grown(8000, of_dataset("mem_mb")),
        runtime=grown(720, of_dataset("runtime")),
    params:
        options=lambda wildcards: index_options(graph, wildcards.built),
        code=graph.code("index", "search"),
    script:
        "../workflow_scripts/index.py"


# What only a search depends on is part of {searched}, and not of the index's folder.
rule search_index:
    input:
        unpack(
            lambda wildcards: index_search_inputs(
                graph,
                wildcards.searched,
                R / "search" / wildcards.dataset / wildcards.model / wildcards.variant,
                f"{wildcards.split}.top{wildcards.depth}.manifest.json",
            )
        ),
        queries=R / "encode/{dataset}/{model}/{variant}/queries.{split}.manifest.json",
        corpus=R / "encode/{dataset}/{model}/{variant}/corpus.manifest.json",
    output:
        run=R / "search/{dataset}/{model}/{variant}/{searched}/{split}.top{depth}.trec",
        manifest=R
        / "search/{dataset}/{model}/{variant}/{searched}/{split}.top{depth}.manifest.json",
    log:
        R / "logs/search/{dataset}.{model}.{variant}.{searched}/{split}.top{depth}.log",
    benchmark:
        (
            R
            / "benchmarks/search/{dataset}.{model}.{variant}.{searched}/{split}.top{depth}.tsv"
        )
    wildcard_constraints:
        searched=r"(flat|(hnsw|ivf|ivf_pq|sq)_)[^/]*",
    conda:
        graph.environment("search")
    threads: 4
    resources:
        gpu=lambda wildcards: index_gpus(graph, wildcards.dataset, wildcards.searched),
        mem_mb=grown(8000, of_dataset("mem_mb")),
        runtime=grown(120, of_dataset("runtime")),
    params:
        options=lambda wildcards: index_search_options(graph, wildcards.searched),
        code=graph.code("search_index", "search"),
    script:
        "../workflow_scripts/search_index.py"


# The path of the run that is reranked, below the results, is part of the new one's: {base}/{split}.top{depth}.
# Scoring pairs takes what encoding texts takes, so that it has the same environment.
rule rerank:
    input:
        run_manifest=R / "{base}/{split}.top{depth}.manifest.json",
        dataset=R / "dataset/{dataset}/manifest.json",
        model=R / "train/{model}/{variant}/manifest.json",
    output:
        run=R
        / "search/{dataset}/{model}/{variant}/rerank{reranked}/{base}/{split}.top{depth}.trec",
        manifest=R
        / "search/{dataset}/{model}/{variant}/rerank{reranked}/{base}/{split}.top{depth}.manifest.json",
    log:
        R
        / "logs/search/{dataset}.{model}.{variant}.rerank{reranked}/{base}/{split}.top{depth}.log",
    benchmark:
        (
            R
            / "benchmarks/search/{dataset}.{model}.{variant}.rerank{reranked}/{base}/{split}.top{depth}.tsv"
        )
    wildcard_constraints:
        reranked=r"\d+",
        base=r"(bm25|search)/.+",
    conda:
        graph.environment("encode")
    threads: lambda wildcards: graph.model_run(wildcards.model).threads or 8
    resources:
        gpu=1,
        mem_mb=grown(8000, of_model("mem_mb")),
        runtime=lambda wildcards: graph.model_run(wildcards.model).runtime or 1440,
    params:
        work=str(
            R
            / "work/rerank/{dataset}.{model}.{variant}.rerank{reranked}/{base}/{split}.top{depth}"
        ),
        code=graph.code("rerank", "encode"),
    script:
        "../workflow_scripts/rerank.py"


# Other systems' runs made into one: an experiment's system, for a seed of theirs or for none.
rule fuse:
    input:
        unpack(
            lambda wildcards: Fused(
                graph, wildcards.experiment, wildcards.system, wildcards.fused
            ).run_inputs(wildcards.dataset, wildcards.split)
        ),
    output:
        run=R
        / "search/{dataset}/fusion/{experiment}/{system}/{fused}/{split}.top{depth}.trec",
        manifest=R
        / "search/{dataset}/fusion/{experiment}/{system}/{fused}/{split}.top{depth}.manifest.json",
    log:
        R
        / "logs/search/{dataset}.fusion/{experiment}/{system}/{fused}/{split}.top{depth}.log",
    benchmark:
        (
            R
            / "benchmarks/search/{dataset}.fusion/{experiment}/{system}/{fused}/{split}.top{depth}.tsv"
        )
    wildcard_constraints:
        fused=r"fused|seed\d+",
    conda:
        graph.environment("search")
    threads: 1
    resources:
        mem_mb=grown(4000),
        runtime=grown(60),
    params:
        options=lambda wildcards: Fused(
            graph, wildcards.experiment, wildcards.system, wildcards.fused
        ).run_options(wildcards.dataset, wildcards.split),
        code=graph.code("fuse", "search"),
    script:
        "../workflow_scripts/fuse.py"


# Choosing weights scores runs, so that it has that stage's environment.
rule fusion_weights:
    input:
        unpack(
            lambda wildcards: Fused(
                graph, wildcards.experiment, wildcards.system, wildcards.fused
            ).weights_inputs(wildcards.dataset, wildcards.split)
        ),
    output:
        weights=R
        / "search/{dataset}/fusion/{experiment}/{system}/{fused}/weights.{split}.json",
        manifest=R
        / "search/{dataset}/fusion/{experiment}/{system}/{fused}/weights.{split}.manifest.json",
    log:
        R
        / "logs/search/{dataset}.fusion/{experiment}/{system}/{fused}/weights.{split}.log",
    benchmark:
        (
            R
            / "benchmarks/search/{dataset}.fusion/{experiment}/{system}/{fused}/weights.{split}.tsv"
        )
    wildcard_constraints:
        fused=r"fused|seed\d+",
    conda:
        "../envs/evaluate.yaml"
    threads: 1
    resources:
        mem_mb=grown(4000),
        runtime=grown(60),
    params:
        options=lambda wildcards: Fused(
            graph, wildcards.experiment, wildcards.system, wildcards.fused
        ).weights_options(wildcards.dataset, wildcards.split),
        code=graph.code("fusion_weights", "evaluate"),
    script:
        "../workflow_scripts/fusion_weights.py"
