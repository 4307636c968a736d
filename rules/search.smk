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
        graph.environment("search")
    threads: 4
    resources:
        mem_mb=grown(8000, of_dataset("mem_mb")),
        runtime=grown(120, of_dataset("runtime")),
    params:
        code=graph.code("search", "search"),
    script:
        "../workflow_scripts/search.py"


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
        mem_mb=grown(8000),
        runtime=1440,
    params:
        work=str(
            R
            / "work/rerank/{dataset}.{model}.{variant}.rerank{reranked}/{base}/{split}.top{depth}"
        ),
        code=graph.code("rerank", "encode"),
    script:
        "../workflow_scripts/rerank.py"
